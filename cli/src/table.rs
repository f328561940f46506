//! Columns of text.

use std::fmt::Write as _;

/// Rows under a heading, each column as wide as it must be.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Column {
    heading: &'static str,
    right: bool,
    gives_way: bool,
}

/// What a column that gives way keeps.
const LEAST: usize = 10;

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&'static str]) -> Self {
        let column = |&heading| Column { heading, right: false, gives_way: false };
        Self { columns: headings.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Aligns the columns from `first` on to the right: numbers.
    pub fn numbers_from(mut self, first: usize) -> Self {
        self.columns.iter_mut().skip(first).for_each(|column| column.right = true);
        self
    }

    /// Cuts a column where the lines would be too long.
    pub fn gives_way(mut self, column: usize) -> Self {
        if let Some(column) = self.columns.get_mut(column) {
            column.gives_way = true;
        }
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table; lines longer than `width` are cut.
    pub fn render(&self, width: Option<usize>) -> String {
        let headings = self.columns.iter().map(|column| column.heading.to_string()).collect();
        self.lines(std::iter::once(&headings).chain(&self.rows), width)
    }

    /// The rows alone, as wide as they are under their headings.
    pub fn render_rows(&self) -> String {
        self.lines(self.rows.iter(), None)
    }

    fn lines<'a>(&self, rows: impl Iterator<Item = &'a Vec<String>>, width: Option<usize>) -> String {
        let mut widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(i, column)| self.width(i, column)).collect();
        let whole = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let over = whole.saturating_sub(width.unwrap_or(whole));
        if let Some((_, yielding)) = self.columns.iter().zip(&mut widths).find(|(column, _)| column.gives_way)
        {
            *yielding = (*yielding).min(yielding.saturating_sub(over).max(LEAST));
        }
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for ((cell, column), &width) in row.iter().zip(&self.columns).zip(&widths) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let cell = cut(cell, width);
                let _ = match column.right {
                    true => write!(line, "{cell:>width$}"),
                    false => write!(line, "{cell:<width$}"),
                };
            }
            let line = line.trim_end();
            text.push_str(&width.map_or_else(|| line.to_string(), |width| cut(line, width)));
            text.push('\n');
        }
        text
    }

    fn width(&self, index: usize, column: &Column) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(column.heading.len())
    }
}

/// The text, cut to `width` columns with an ellipsis.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_string();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_and_cuts() {
        let mut table = Table::new(&["A", "NAME", "N"]).numbers_from(2);
        table.row(["x".into(), "abcdefgh".into(), "7".into()]);
        table.row(["yy".into(), "b".into(), "123".into()]);
        assert_eq!(table.render(None), "A   NAME        N\nx   abcdefgh    7\nyy  b         123\n");
        assert_eq!(table.render(Some(6)), "A   N…\nx   a…\nyy  b…\n");
        assert_eq!(table.render_rows(), "x   abcdefgh    7\nyy  b         123\n");
        let mut table = Table::new(&["A", "NAME", "N"]).gives_way(1);
        table.row(["x".into(), "abcdefghijklmnop".into(), "7".into()]);
        assert_eq!(table.render(Some(20)), "A  NAME            N\nx  abcdefghijklm…  7\n");
        assert_eq!(table.render(Some(40)), table.render(None));
        assert_eq!(table.render(Some(8)).lines().last().unwrap(), "x  abcd…");
        assert_eq!(Table::new(&["A", "B"]).render(None), "A  B\n");
    }

    #[test]
    fn a_cut_counts_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("ab", 0), "…");
    }
}
