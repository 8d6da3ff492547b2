//! Rows as Python's `csv` writes them: quoted where something would be misread, each ended by CR LF.

use std::io::{self, Write};

/// Writes a row.
///
/// # Errors
/// It cannot be written.
pub fn write(out: &mut impl Write, cells: &[String]) -> io::Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        // A row of one empty cell would be no row.
        if cell.contains([',', '"', '\r', '\n']) || (cell.is_empty() && cells.len() == 1) {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (cells, line) in [
            (&["a", "", "b c"][..], "a,,b c\r\n"),
            (&["a,b", "say \"no\"", "x\ny", "\r"], "\"a,b\",\"say \"\"no\"\"\",\"x\ny\",\"\r\"\r\n"),
            (&[""], "\"\"\r\n"),
        ] {
            let mut out = Vec::new();
            write(&mut out, &cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
    }
}
