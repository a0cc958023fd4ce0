//! JSON files.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;

use crate::HarnessError;

/// The content of a JSON file. An error names it.
pub fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, HarnessError> {
    serde_json::from_slice(&fs::read(file)?)
        .map_err(|source| HarnessError::Json { path: file.to_owned(), source })
}
