//! What the documents tell their readers to write, as it stands there: a test that runs it fails when it is not true.

use std::{fs, path::PathBuf};

use crate::{HarnessError, Parts};

/// A section of a Markdown file of the clone.
#[derive(Clone, Debug)]
pub struct Section {
    path: PathBuf,
    heading: String,
    text: String,
}

impl Section {
    /// The section under `## heading`; with an empty `heading`, what comes before the first.
    pub fn read(file: &str, heading: &str) -> Result<Section, HarnessError> {
        let path = Parts::root().join(file);
        let whole = fs::read_to_string(&path)?;
        let mut sections = whole.split("\n## ");
        let found = if heading.is_empty() {
            sections.next()
        } else {
            sections.skip(1).find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'))
        };
        let section = |text: &str| Section { path, heading: heading.to_owned(), text: text.to_owned() };
        match found {
            Some(text) => Ok(section(text)),
            None => Err(section("").lacks("heading")),
        }
    }

    /// The first code block of a language (empty: one without).
    pub fn code(&self, language: &str) -> Result<String, HarnessError> {
        // The text between fences is every other part.
        let mut blocks = self.text.split("\n```").skip(1).step_by(2);
        let found = blocks.find_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
        found.map(str::to_owned).ok_or_else(|| self.lacks(&format!("block of {language:?}")))
    }

    /// What begins with `begin` in the section, in backquotes.
    pub fn quoted(&self, begin: &str) -> Result<String, HarnessError> {
        let mut quoted = self.text.split('`').skip(1).step_by(2);
        let found = quoted.find(|quoted| quoted.starts_with(begin));
        found.map(str::to_owned).ok_or_else(|| self.lacks(begin))
    }

    /// The names in backquotes in the first column of the first table.
    pub fn first_column(&self) -> Result<Vec<String>, HarnessError> {
        let rows = self.text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let cells = rows.map_while(|line| line.strip_prefix('|')?.split('|').next());
        let names: Vec<_> =
            cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
        if names.is_empty() { Err(self.lacks("table")) } else { Ok(names) }
    }

    fn lacks(&self, what: &str) -> HarnessError {
        let section = format!("{}, section {:?}", self.path.display(), self.heading);
        HarnessError::NotWritten { section, what: what.to_owned() }
    }
}
