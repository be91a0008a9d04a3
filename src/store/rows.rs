//! Statements about many rows at once. A session prepares each statement once for each connection, so there is a
//! text for each of a few numbers of rows, and any other number is made of those.

use super::{Fault, Row, Session, Value};
use std::sync::OnceLock;

/// The numbers of rows that there are texts for, from the largest.
const SIZES: [usize; 4] = [500, 50, 5, 1];

/// One statement, for several numbers of rows.
#[derive(Debug)]
pub struct Many {
    before: &'static str,
    /// What stands there once for each row: `(?, ?)` of an INSERT, `?` of an IN.
    each: &'static str,
    after: &'static str,
    texts: [OnceLock<String>; SIZES.len()],
}

impl Many {
    /// A statement that inserts rows of this form.
    #[must_use]
    pub const fn insert(before: &'static str, row: &'static str) -> Self {
        Self::around(before, row, "")
    }

    /// A statement about the values of a list, which ends with `after`.
    #[must_use]
    pub const fn among(before: &'static str, after: &'static str) -> Self {
        Self::around(before, "?", after)
    }

    const fn around(before: &'static str, each: &'static str, after: &'static str) -> Self {
        Self { before, each, after, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The text for the largest number of rows that is not above this one, and for how many rows it is.
    fn at_most(&'static self, rows: usize) -> Option<(&'static str, usize)> {
        let found = SIZES.iter().zip(&self.texts).find(|(size, _)| **size <= rows);
        found.map(|(size, text)| (self.text(*size, text), *size))
    }

    /// The text for the smallest number of rows that is not below this one, and for how many rows it is.
    fn at_least(&'static self, rows: usize) -> Option<(&'static str, usize)> {
        let found = SIZES.iter().zip(&self.texts).rev().find(|(size, _)| **size >= rows);
        found.map(|(size, text)| (self.text(*size, text), *size))
    }

    fn text(&self, size: usize, text: &'static OnceLock<String>) -> &'static str {
        text.get_or_init(|| format!("{}{}{}", self.before, vec![self.each; size].join(", "), self.after))
    }

    /// Inserts rows of `width` values each.
    ///
    /// # Errors
    /// The fault of the database.
    pub async fn run(&'static self, session: &mut dyn Session, width: usize, values: Vec<Value>) -> Result<(), Fault> {
        let mut rows = values.len() / width.max(1);
        let mut values = values.into_iter();
        while let Some((sql, count)) = self.at_most(rows) {
            session.execute(sql, values.by_ref().take(count * width).collect()).await?;
            rows -= count;
        }
        Ok(())
    }

    /// Does it to all rows whose value is in a list.
    ///
    /// # Errors
    /// The fault of the database.
    pub async fn execute(&'static self, session: &mut dyn Session, list: &[Value]) -> Result<(), Fault> {
        for part in list.chunks(SIZES.iter().copied().max().unwrap_or(1)) {
            if let Some((sql, values)) = self.over(part) {
                session.execute(sql, values).await?;
            }
        }
        Ok(())
    }

    /// All rows whose value is in a list.
    ///
    /// # Errors
    /// The fault of the database.
    pub async fn query(&'static self, session: &mut dyn Session, list: &[Value]) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::new();
        for part in list.chunks(SIZES.iter().copied().max().unwrap_or(1)) {
            if let Some((sql, values)) = self.over(part) {
                rows.extend(session.query(sql, values).await?);
            }
        }
        Ok(rows)
    }

    /// The statement for a list that is filled up with its last value.
    fn over(&'static self, part: &[Value]) -> Option<(&'static str, Vec<Value>)> {
        let (sql, count) = self.at_least(part.len())?;
        let last = part.last()?;
        let values = part.iter().chain(std::iter::repeat(last)).take(count).cloned().collect();
        Some((sql, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INSERT: Many = Many::insert("INSERT INTO t (a, b) VALUES ", "(?, ?)");
    static SELECT: Many = Many::among("SELECT a FROM t WHERE a IN (", ")");

    #[test]
    fn there_is_a_text_for_each_number_of_rows() {
        let inserted = |rows| INSERT.at_most(rows).map(|(sql, count)| (sql.matches("(?, ?)").count(), count));
        assert_eq!(inserted(0), None);
        assert_eq!(inserted(1), Some((1, 1)));
        assert_eq!(inserted(49), Some((5, 5)));
        assert_eq!(inserted(1000), Some((500, 500)));
        assert_eq!(INSERT.at_most(1).map(|(sql, _)| sql), Some("INSERT INTO t (a, b) VALUES (?, ?)"));
    }

    #[test]
    fn a_list_is_filled_up_with_its_last_value() {
        let list: Vec<Value> = (0..7).map(Value::Integer).collect();
        let (sql, values) = SELECT.over(&list).unwrap();
        assert_eq!(sql.matches('?').count(), 50);
        assert_eq!(values.len(), 50);
        assert!(values.iter().skip(7).all(|value| *value == Value::Integer(6)));
        assert!(SELECT.over(&[]).is_none());
    }
}
