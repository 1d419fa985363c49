//! One page that needs nothing else: warnings, tables, plots, manifest.

use std::fmt::Write as _;

use super::plot::escaped;
use super::terminal;
use crate::document::Document;

const STYLE: &str = "body{font-family:sans-serif;margin:2em auto;max-width:60em;color:#222}\
pre{overflow-x:auto;background:#f6f6f6;padding:1em;font-size:12px;line-height:1.3}\
svg{width:100%;height:auto;border:1px solid #ddd;margin:1em 0}.bad{color:#b00}.warn{color:#850}";

/// The whole page. Plots come with their names.
pub fn page(document: &Document, plots: &[(String, String)]) -> String {
    let manifest = &document.manifest;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>bench-harness {}</title><style>{STYLE}</style></head><body>\n\
         <h1>bench-harness, {}</h1>\n<pre>{}</pre>\n",
        escaped(&manifest.time_utc),
        escaped(&manifest.time_utc),
        escaped(&terminal::header(manifest))
    );
    let classes = [("bad", &document.failures), ("warn", &document.warnings)];
    for (class, texts) in classes {
        for text in texts {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "<p class=\"{class}\">{}</p>", escaped(text));
        }
    }
    let _ =
        writeln!(page, "<h2>At a glance</h2>\n<pre>{}</pre>", escaped(&terminal::glance(document)));
    page += "<h2>Latencies by percentile</h2>\n";
    for (name, svg) in plots {
        let _ = writeln!(page, "<h3>{}</h3>\n{svg}", escaped(name));
    }
    let _ = writeln!(
        page,
        "<h2>All tables</h2>\n<pre>{}</pre>",
        escaped(&terminal::floor(&document.floor))
    );
    let _ = writeln!(page, "<pre>{}</pre>", escaped(&terminal::sections(document)));
    let text = serde_json::to_string_pretty(manifest).unwrap_or_default();
    let _ = writeln!(page, "<h2>Manifest</h2>\n<pre>{}</pre>\n</body></html>", escaped(&text));
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tests::sample;

    #[test]
    fn the_page_holds_everything_and_fetches_nothing() {
        let mut document = sample(1000, 10, 3);
        document.warnings.push("a <b> warning".into());
        let page = page(&document, &super::super::plot::of(&document));
        assert!(page.contains("a &lt;b&gt; warning") && page.contains("<polyline"), "{page}");
        assert!(page.contains("At a glance") && page.contains("cgroup_quota"));
        for fetched in ["src=", "href=", "url(", "<script"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
    }
}
