//! A report's plots: SVG for light and dark, to be read by people as well.

use svg::{
    Document,
    node::element::{Group, Line, Rectangle, Style, Text, Title},
};

use crate::{
    markdown::base,
    plan::{Kind, Plan, Scenario},
    report::{Cell, Report},
};

/// The plot of all scenarios.
pub(crate) const OVERVIEW: &str = "overview.svg";

/// Pixels.
const WIDTH: f64 = 760.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
const TOP: f64 = 30.0;

/// The colours of `demo-site/page/style.css`, light and dark.
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1d2129 }
.quiet { fill: #5a6070 } .axis { stroke: #dcd9d2 } .spread { stroke: #1d2129; stroke-width: 1.5 }
.boot { fill: #c9a227 } .load { fill: #b3593a } .import { fill: #8fb8de } .run { fill: #2f6fb0 }
.bundle { fill: #c9a227 } .ranges { fill: #2f6fb0 } .pack { fill: #2a8a62 } .eager { stroke: #5a6070; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e8e6e1 } .quiet { fill: #a3a9b6 } .axis { stroke: #343943 } .spread { stroke: #e8e6e1 }
  .boot { fill: #d9b440 } .load { fill: #d98563 } .import { fill: #3d6f9f } .run { fill: #6ba6e0 }
  .bundle { fill: #d9b440 } .ranges { fill: #6ba6e0 } .pack { fill: #5cc397 } .eager { stroke: #a3a9b6 }
}
";

/// Phases of a run, in their order, and their classes.
const PHASES: [(&str, &str); 4] = [
    ("boot", "interpreter boots"),
    ("load", "packages load"),
    ("import", "imports"),
    ("run", "program runs"),
];

/// Strategies that the overview compares with `eager`.
const COMPARED: [&str; 3] = ["bundle", "ranges", "pack"];

/// Name and content of every plot.
pub(crate) fn plots(plan: &Plan, report: &Report) -> Vec<(String, String)> {
    let pages = || plan.scenarios.iter().filter(|scenario| scenario.kind == Kind::Page);
    let bars = pages().filter_map(|scenario| {
        let cells = report.cells(scenario);
        base(&cells)?;
        Some((file(scenario), bars(&scenario.title, &cells)))
    });
    let rows: Vec<_> = pages().map(|scenario| (scenario.title.as_str(), report.cells(scenario))).collect();
    bars.chain([(OVERVIEW.to_owned(), overview(&rows))]).collect()
}

/// The file of a scenario's plot.
pub(crate) fn file(scenario: &Scenario) -> String {
    format!("{}.svg", scenario.id)
}

/// A bar for each strategy, as long as its time, in its phases; a stroke from the least time to the most.
fn bars(title: &str, cells: &[Cell<'_>]) -> String {
    let rows: Vec<_> =
        cells.iter().filter_map(|cell| Some((cell.strategy, cell.figures.as_ref()?))).collect();
    let longest = rows.iter().map(|(_, figures)| figures.spread[1]).fold(1.0, f64::max);
    let (left, right) = (90.0, 70.0);
    let x = |ms: f64| left + ms / longest * (WIDTH - left - right);
    let mut document = empty(title, rows.len());
    document = legend(document, &PHASES);
    for (row, (strategy, figures)) in rows.iter().enumerate() {
        let middle = middle(row);
        let mut group = Group::new().add(label(strategy, left - 8.0, middle, "end"));
        let mut from = 0.0;
        for ((class, name), ms) in PHASES.iter().zip(figures.phases()) {
            if ms <= 0.0 {
                continue;
            }
            let tip = format!("{strategy}: {name}, {:.1} s", ms / 1e3);
            group = group.add(bar(class, x(from), x(from + ms), middle, &tip));
            from += ms;
        }
        let [least, most] = figures.spread;
        group = group.add(stroke("spread", x(least), middle, x(most), middle));
        group = group.add(label(&format!("{:.1} s", figures.total_ms / 1e3), x(most) + 6.0, middle, "start"));
        document = document.add(group);
    }
    finished(&document)
}

/// A row for each scenario, a mark for each strategy's time as a multiple of the eager page's.
fn overview(scenarios: &[(&str, Vec<Cell<'_>>)]) -> String {
    // Further right than this all is lost anyway; the table has the figure.
    const MOST: f64 = 1.6;
    let rows: Vec<_> =
        scenarios.iter().filter_map(|(title, cells)| Some((title, cells, base(cells)?))).collect();
    let (left, right) = (370.0, 20.0);
    let x = |ratio: f64| left + ratio.min(MOST) / MOST * (WIDTH - left - right);
    let mut document = empty("Time as a multiple of the eager page's", rows.len() + 1);
    document = legend(document, &COMPARED.map(|name| (name, name)));
    let bottom = TOP + ROW * rows.len() as f64;
    for ratio in [0.0, 0.5, 1.0, 1.5] {
        let class = if ratio == 1.0 { "eager" } else { "axis" };
        document = document.add(stroke(class, x(ratio), TOP, x(ratio), bottom));
        let name = if ratio == 1.0 { "1: eager".to_owned() } else { ratio.to_string() };
        document = document.add(label(&name, x(ratio), bottom + ROW / 2.0, "middle").set("class", "quiet"));
    }
    for (row, (title, cells, base)) in rows.iter().enumerate() {
        let middle = middle(row);
        document = document.add(label(title, left - 12.0, middle, "end"));
        for name in COMPARED {
            let cell = cells.iter().find(|cell| cell.strategy == name);
            let Some(figures) = cell.and_then(|cell| cell.figures.as_ref()) else { continue };
            let ratio = figures.total_ms / base.total_ms;
            let tip = format!("{title}: {name}, {ratio:.2}");
            document = document.add(bar(name, x(ratio) - 4.0, x(ratio) + 4.0, middle, &tip));
        }
    }
    finished(&document)
}

fn empty(title: &str, rows: usize) -> Document {
    let height = TOP + ROW * rows as f64 + 8.0;
    Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("role", "img")
        .add(Title::new(title))
        .add(Style::new(STYLE))
}

fn legend(mut document: Document, names: &[(&str, &str)]) -> Document {
    let mut from = 90.0;
    for (class, name) in names {
        document = document.add(bar(class, from, from + 12.0, 14.0, name));
        document = document.add(label(name, from + 17.0, 14.0, "start").set("class", "quiet"));
        // Room for the words: fonts differ.
        from += 40.0 + 7.5 * name.len() as f64;
    }
    document
}

fn middle(row: usize) -> f64 {
    TOP + ROW * (row as f64 + 0.5)
}

fn bar(class: &str, from: f64, to: f64, middle: f64, tip: &str) -> Rectangle {
    Rectangle::new()
        .set("class", class)
        .set("x", tenth(from))
        .set("y", tenth(middle - BAR / 2.0))
        .set("width", tenth(to - from))
        .set("height", BAR)
        .add(Title::new(tip))
}

fn stroke(class: &str, x1: f64, y1: f64, x2: f64, y2: f64) -> Line {
    Line::new()
        .set("class", class)
        .set("x1", tenth(x1))
        .set("y1", tenth(y1))
        .set("x2", tenth(x2))
        .set("y2", tenth(y2))
}

fn label(text: &str, x: f64, middle: f64, anchor: &str) -> Text {
    Text::new(text)
        .set("x", tenth(x))
        .set("y", tenth(middle))
        .set("text-anchor", anchor)
        .set("dominant-baseline", "central")
}

/// A tenth of a pixel is enough, and is read more easily.
fn tenth(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}

fn finished(document: &Document) -> String {
    format!("{document}\n")
}
