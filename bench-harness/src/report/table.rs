//! Tables for the terminal.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// A rule above, under the header and below; none between rows.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// An empty table with these columns.
pub fn table<S: ToString>(columns: &[S]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(columns.iter().map(S::to_string).collect::<Vec<_>>());
    table
}

/// Aligns all columns but the first to the right.
pub fn align_right(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
