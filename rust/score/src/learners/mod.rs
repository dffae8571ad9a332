//! Fitted learners: scores, probabilities, predictions and clusters.

mod bayes;
mod classifier;
mod clusters;
mod decision;
mod factorization;
mod forest;
mod isotonic;
mod linear;
mod link;
mod model;
mod perceptron;
mod regressor;

pub use classifier::Classifier;
pub use clusters::{Cluster, Mixture};
pub use isotonic::Isotonic;
pub use regressor::Regressor;
