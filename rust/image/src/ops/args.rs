//! The arguments of one operation, read one by one. Arguments left over are an error.

use mmlrs_core::{Error, Operation, Result, nearest, suggestion};
use serde_json::Value;

/// Arguments of the operation at `index` of the param `stages`.
pub struct Args<'a> {
    index: usize,
    operation: &'a Operation,
    read: Vec<&'static str>,
}

impl<'a> Args<'a> {
    pub fn new(index: usize, operation: &'a Operation) -> Self {
        Self { index, operation, read: Vec::new() }
    }

    /// An error about this operation. The message reads "param `stages` item 0 (`resize`): <message>".
    pub fn error(&self, message: impl std::fmt::Display) -> Error {
        Error::param("stages", format!("item {} (`{}`): {message}", self.index, self.operation.action))
    }

    /// An error about one argument.
    pub fn invalid(&self, name: &str, want: impl std::fmt::Display, got: &Value) -> Error {
        self.error(format!("argument `{name}` must be {want}, got {got}"))
    }

    /// The value of an argument, if it is given.
    pub fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.push(name);
        self.operation.args.get(name).filter(|v| !v.is_null())
    }

    /// Whether an argument is given.
    pub fn has(&self, name: &str) -> bool {
        self.operation.args.get(name).is_some_and(|v| !v.is_null())
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.missing(name))
    }

    /// The error for a missing required argument. It lists the given arguments, and names one that is misspelt.
    pub fn missing(&self, name: &str) -> Error {
        let mut names: Vec<String> = self.operation.args.keys().map(|key| format!("`{key}`")).collect();
        names.sort_unstable();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        self.error(format!("argument `{name}` is missing; given: {names}{}", self.misspelt(name)))
    }

    /// The hint that an unread argument is a misspelling of this one, or an empty string.
    pub fn misspelt(&self, name: &str) -> String {
        let unread = self.operation.args.keys().map(String::as_str).filter(|key| !self.read.contains(key));
        nearest(name, unread)
            .map(|key| format!("; there is no argument `{key}`: did you mean `{name}`?"))
            .unwrap_or_default()
    }

    /// An optional integer from `min` to `max`.
    pub fn opt_int(&mut self, name: &'static str, min: i64, max: i64) -> Result<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let integer = value.as_i64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0).map(|v| v as i64));
        match integer {
            Some(v) if (min..=max).contains(&v) => Ok(Some(v)),
            _ => Err(self.invalid(name, format!("an integer between {min} and {max}"), value)),
        }
    }

    /// A required integer from `min` to `max`.
    pub fn int(&mut self, name: &'static str, min: i64, max: i64) -> Result<i64> {
        let value = self.opt_int(name, min, max)?;
        self.required(name, value)
    }

    /// An optional finite number.
    pub fn opt_number(&mut self, name: &'static str) -> Result<Option<f64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.as_f64().filter(|v| v.is_finite()) {
            Some(v) => Ok(Some(v)),
            None => Err(self.invalid(name, "a number", value)),
        }
    }

    /// A required finite number.
    pub fn number(&mut self, name: &'static str) -> Result<f64> {
        let value = self.opt_number(name)?;
        self.required(name, value)
    }

    /// A required number of at least `min`.
    pub fn number_from(&mut self, name: &'static str, min: f64) -> Result<f64> {
        let number = self.number(name)?;
        if number < min {
            return Err(self.error(format!("argument `{name}` must be at least {min}, got {number}")));
        }
        Ok(number)
    }

    /// A required odd integer from `min` to `max`.
    pub fn odd(&mut self, name: &'static str, min: i64, max: i64) -> Result<i32> {
        let value = self.int(name, min, max)?;
        if value % 2 == 0 {
            return Err(self.error(format!("argument `{name}` must be an odd integer, got {value}")));
        }
        Ok(value as i32)
    }

    /// An optional boolean.
    pub fn opt_bool(&mut self, name: &'static str) -> Result<Option<bool>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.as_bool() {
            Some(v) => Ok(Some(v)),
            None => Err(self.invalid(name, "true or false", value)),
        }
    }

    /// An optional string from a list.
    pub fn opt_choice(&mut self, name: &'static str, allowed: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let allowed_choice = value.as_str().and_then(|v| allowed.iter().find(|a| a.eq_ignore_ascii_case(v)));
        let Some(choice) = allowed_choice else {
            let quoted: Vec<String> = allowed.iter().map(|a| format!("\"{a}\"")).collect();
            return Err(self.invalid(name, format!("one of {}", quoted.join(", ")), value));
        };
        Ok(Some(choice))
    }

    /// A list of finite numbers.
    pub fn numbers(&mut self, name: &'static str) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let numbers: Option<Vec<f64>> =
            value.as_array().and_then(|items| items.iter().map(|v| v.as_f64().filter(|v| v.is_finite())).collect());
        match numbers {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(self.invalid(name, "a list of numbers", value)),
        }
    }

    /// Returns an error if some arguments were not read.
    pub fn finish(self) -> Result<()> {
        match self.operation.args.keys().find(|key| !self.read.contains(&key.as_str())) {
            None => Ok(()),
            Some(_) if self.read.is_empty() => Err(self.error("takes no arguments")),
            Some(key) => {
                let hint = suggestion(key, self.read.iter().copied());
                Err(self.error(format!(
                    "argument `{key}` does not exist{hint}; the arguments are {}",
                    self.read.join(", ")
                )))
            }
        }
    }
}
