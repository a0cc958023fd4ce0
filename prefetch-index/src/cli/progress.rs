use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A step that takes a while: a bar on a terminal, one line elsewhere.
pub(crate) fn step(what: &str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("{what}");
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    // The template is a constant; should it be wrong, the default style will do.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}
