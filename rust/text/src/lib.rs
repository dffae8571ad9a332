//! Text: from a column of strings to tokens, pages and hashed features.
