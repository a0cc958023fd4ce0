use std::io::{self, Write};

use anyhow::{Context, Result, anyhow};
use comfy_table::{CellAlignment, Table, presets};
use prefetch_index::format::{self, FormatError};
use prefetch_index::index::{Content, Group, Index, Install, Pack, PackedFile};
use prefetch_index::plan::{self, Budget, Line};
use serde::Serialize;

use crate::args::Inspect;

/// What `--json` prints; the tables show the same.
#[derive(Serialize)]
struct Report {
    format: u32,
    pyodide: String,
    python: String,
    archives: Vec<ArchiveReport>,
    groups: Vec<GroupReport>,
    entries: Vec<EntryReport>,
    packs: Vec<PackReport>,
}

#[derive(Serialize)]
struct ArchiveReport {
    name: String,
    version: String,
    install_dir: &'static str,
    members: usize,
    bytes: u64,
    sha256: Option<String>,
    url: String,
}

#[derive(Serialize)]
struct GroupReport {
    name: String,
    parents: Vec<String>,
    reads: usize,
    shared_libraries: usize,
    compressed_bytes: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct EntryReport {
    name: String,
    groups: Vec<String>,
    reads: usize,
    requests: usize,
    request_bytes: u64,
    wasted_bytes: u64,
}

#[derive(Serialize)]
struct PackReport {
    url: String,
    files: usize,
    bytecode: usize,
    split_libraries: usize,
    secondary_bytes: u64,
    unpacked_bytes: u64,
    bytes: u64,
    entries: Vec<String>,
}

pub(crate) fn inspect(args: &Inspect) -> Result<()> {
    let shown = args.index.display();
    let bytes = std::fs::read(&args.index)
        .with_context(|| format!("{shown}: cannot be read; make it with prefetch-index build"))?;
    let index = format::decode(&bytes).map_err(|error| anyhow!("{shown}: {}", remedy(error)))?;
    let report = report(&index);
    let text = if args.json { serde_json::to_string(&report)? } else { tables(&report) };
    match writeln!(io::stdout(), "{text}") {
        // Whoever reads has seen enough: `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

fn remedy(error: FormatError) -> String {
    match error {
        FormatError::Magic => "not a wheelfs index; make one with prefetch-index build".to_owned(),
        error => format!("{error}: rebuild it with prefetch-index build"),
    }
}

fn report(index: &Index) -> Report {
    let name = |id: &u32| index.groups[*id as usize].name.clone();
    let archives = index.archives.iter().map(|archive| ArchiveReport {
        name: archive.name.clone(),
        version: archive.version.clone(),
        install_dir: match archive.install {
            Install::SitePackages => "site",
            Install::SharedLibraries => "dynlib",
            Install::StandardLibrary => "stdlib",
        },
        members: archive.members.len(),
        bytes: archive.len,
        sha256: archive.sha256.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        url: archive.url.clone(),
    });
    let groups = index.groups.iter().map(|group: &Group| {
        let members: Vec<_> = group.reads.iter().filter_map(|read| index.member(read)).collect();
        GroupReport {
            name: group.name.clone(),
            parents: group.parents.iter().map(name).collect(),
            reads: group.reads.len(),
            shared_libraries: members.iter().filter(|member| member.is_shared_library()).count(),
            compressed_bytes: members.iter().map(|member| member.compressed_len).sum(),
            bytes: members.iter().map(|member| member.len).sum(),
        }
    });
    let lens: Vec<u64> = index.archives.iter().map(|archive| archive.len).collect();
    let entries = index.entries.iter().map(|entry| {
        let wants = index.wants(&index.access_order(&entry.groups));
        let requests = plan::plan(&wants, &lens, &Line::default(), &Budget::default());
        let request_bytes = requests.iter().map(|request| request.span.end - request.span.start).sum();
        EntryReport {
            name: entry.name.clone(),
            groups: entry.groups.iter().map(name).collect(),
            reads: wants.len(),
            requests: requests.len(),
            request_bytes,
            wasted_bytes: request_bytes
                - wants.iter().map(|want| want.span.end - want.span.start).sum::<u64>(),
        }
    });
    let packs = index.packs.iter().zip(0..).map(|(pack, number)| {
        let needs = |group: &u32| index.groups[*group as usize].packs.contains(&number);
        let users = index.entries.iter().filter(|entry| entry.groups.iter().any(needs));
        PackReport {
            url: pack.url.clone(),
            files: pack.files.len(),
            bytecode: pack.files.iter().filter(|file| matches!(file.content, Content::Bytecode(_))).count(),
            split_libraries: secondaries(pack).count(),
            secondary_bytes: secondaries(pack).map(|file| index.packed_len(file)).sum(),
            unpacked_bytes: pack.files.iter().map(|file| index.packed_len(file)).sum(),
            bytes: pack.len,
            entries: users.map(|entry| entry.name.clone()).collect(),
        }
    });
    Report {
        packs: packs.collect(),
        format: format::VERSION,
        pyodide: index.pyodide.clone(),
        python: index.python.clone(),
        archives: archives.collect(),
        groups: groups.collect(),
        entries: entries.collect(),
    }
}

/// What comes last in a pack.
fn secondaries(pack: &Pack) -> impl Iterator<Item = &PackedFile> {
    pack.files.iter().filter(|file| matches!(file.content, Content::Secondary(_)))
}

fn tables(report: &Report) -> String {
    let head = format!(
        "wheelfs index, format {}, Pyodide {}, Python {}\n",
        report.format, report.pyodide, report.python
    );
    let mut archives = table(&["archive", "version", "members", "bytes", "url"], 2..4);
    for archive in &report.archives {
        let ArchiveReport { name, version, members, bytes, url, .. } = archive;
        archives.add_row([name, version, &members.to_string(), &grouped(*bytes), url]);
    }
    let columns = ["group", "builds on", "reads", "libraries", "compressed", "unpacked"];
    let mut groups = table(&columns, 2..6);
    for group in &report.groups {
        groups.add_row([
            group.name.clone(),
            group.parents.join(", "),
            group.reads.to_string(),
            group.shared_libraries.to_string(),
            grouped(group.compressed_bytes),
            grouped(group.bytes),
        ]);
    }
    let mut entries = table(&["entry point", "groups", "reads", "requests", "bytes", "of them unread"], 2..6);
    for entry in &report.entries {
        entries.add_row([
            entry.name.clone(),
            entry.groups.join(", "),
            entry.reads.to_string(),
            entry.requests.to_string(),
            grouped(entry.request_bytes),
            grouped(entry.wasted_bytes),
        ]);
    }
    let mut text = format!("{head}\n{archives}\n\n{groups}\n\n{entries}\n");
    if !report.packs.is_empty() {
        let columns = [
            "pack",
            "entry points",
            "files",
            "of them compiled Python",
            "split libraries",
            "unpacked",
            "of them functions not called",
            "bytes",
        ];
        let mut packs = table(&columns, 2..8);
        for pack in &report.packs {
            packs.add_row([
                pack.url.clone(),
                pack.entries.join(", "),
                pack.files.to_string(),
                pack.bytecode.to_string(),
                pack.split_libraries.to_string(),
                grouped(pack.unpacked_bytes),
                grouped(pack.secondary_bytes),
                grouped(pack.bytes),
            ]);
        }
        text += &format!("\n{packs}\n");
    }
    text + "\nRequests as planned for a line of 20 Mbit/s and 200 ms."
}

fn table(columns: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(columns);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(" ")
}
