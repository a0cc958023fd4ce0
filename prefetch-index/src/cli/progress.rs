use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A step that takes a while: a bar on a terminal, one line elsewhere.
pub(crate) fn step(what: &str, total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("{what}");
        return ProgressBar::hidden();
    }
    let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
    let template = if total == 0 { "{spinner} {msg} {elapsed}" } else { "{bar:30} {pos}/{len} {msg}" };
    // The templates are constants; the default style is as good if one of them is wrong.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar.with_message(what.to_owned())
}
