//! The figures for a person.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::figures::Figures;

/// `order`: the strategies as they were asked for; the first is what the others are compared with.
pub(crate) fn table(order: &[String], figures: &BTreeMap<&str, Figures>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "strategy",
        "total",
        "(least to most)",
        "until ready",
        "then",
        "package requests",
        "package bytes",
        "all bytes",
        "of the first",
    ]);
    let base =
        order.first().and_then(|first| figures.get(first.as_str())).map_or(f64::NAN, |first| first.total_ms);
    for (name, row) in order.iter().filter_map(|name| Some((name, figures.get(name.as_str())?))) {
        table.add_row([
            name.clone(),
            seconds(row.total_ms),
            format!("{} to {}", seconds(row.spread[0]), seconds(row.spread[1])),
            seconds(row.boot_ms),
            seconds(row.run_ms),
            row.package_requests.to_string(),
            megabytes(row.package_bytes),
            megabytes(row.wire_bytes),
            format!("{:.0} %", 100.0 * row.total_ms / base),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn seconds(ms: f64) -> String {
    format!("{:.1} s", ms / 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
