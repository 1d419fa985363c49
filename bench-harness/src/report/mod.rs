//! What a run leaves behind: text for the terminal; one JSON document, one CSV file and one HTML
//! page; and for latencies percentile files, interval logs and plots.

mod csv;
mod drawing;
mod hgrm;
mod hlog;
mod html;
mod plot;
pub mod table;
pub mod terminal;
mod units;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::document::Document;
use crate::results::{Cell, Since};

/// Writes every file of a run into `directory`.
pub fn save(directory: &Path, document: &Document) -> Result<()> {
    document.save(directory)?;
    write(directory, "results.csv", &csv::text(document))?;
    for cell in &document.cells {
        for (since, suffix) in [(Since::Intended, ""), (Since::Sent, "-since-send")] {
            if let Some(summary) = cell.latency(since) {
                let name = format!("{}{suffix}", file_name(cell));
                write(directory, &format!("{name}.hgrm"), &hgrm::text(&summary.merged))?;
                let log = hlog::text(&document.manifest, cell, since)?;
                write(directory, &format!("{name}.hlog"), &log)?;
            }
        }
    }
    let plots = plot::of(document);
    for (name, svg) in &plots {
        write(directory, &format!("{name}.svg"), svg)?;
    }
    write(directory, "report.html", &html::page(document, &plots))
}

fn file_name(cell: &Cell) -> String {
    format!("{}-{}-{}", cell.workload.label(), cell.transport.name(), cell.peer)
}

fn write(directory: &Path, name: &str, text: &str) -> Result<()> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
