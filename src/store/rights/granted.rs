//! What a database user has been granted: reads the answer of `SHOW GRANTS`, and compares it with what a role needs.

use super::{REHASH, Role, TABLES, Table};

/// What a right is for: everything, a database (its name is a pattern of LIKE), or one table of one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Global,
    Database(String),
    Table(String, String),
}

/// One line of `SHOW GRANTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    rights: Vec<String>,
    scope: Scope,
    shown: String,
    may_pass_on: bool,
}

/// What a user may do too little and too much of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// `UPDATE ON change_counter`.
    pub missing: Vec<String>,
    /// ``DELETE ON `wicketgate`.* ``.
    pub superfluous: Vec<String>,
}

/// Compares the answer of `SHOW GRANTS` with what a role needs in a database. Lines that grant a role are passed
/// over: what they come to stands in other lines while the role is active.
#[must_use]
pub fn judge(role: Role, database: &str, lines: &[String]) -> Judgement {
    let grants: Vec<Grant> = lines.iter().filter_map(|line| parse(line)).collect();
    let mut judgement = Judgement::default();
    for table in TABLES {
        let rights: Vec<&str> = table
            .rights(role)
            .iter()
            .copied()
            .filter(|right| !grants.iter().any(|grant| grant.covers(right, database, table.name)))
            .collect();
        if !rights.is_empty() {
            judgement.missing.push(format!("{} ON {}", rights.join(", "), table.name));
        }
    }
    for grant in &grants {
        let mut rights: Vec<&str> =
            grant.rights.iter().map(String::as_str).filter(|right| !grant.is_needed(right, role, database)).collect();
        if grant.may_pass_on {
            rights.push("GRANT OPTION");
        }
        if !rights.is_empty() {
            judgement.superfluous.push(format!("{} ON {}", rights.join(", "), grant.shown));
        }
    }
    judgement
}

/// The rights among the answer of `SHOW GRANTS` that nobody needs who only reads.
#[must_use]
pub fn beyond_reading(lines: &[String]) -> Vec<String> {
    let writes = |grant: Grant| {
        let mut rights: Vec<&str> = grant.rights.iter().map(String::as_str).collect();
        rights.retain(|right| !matches!(without_columns(right), "SELECT" | "SHOW VIEW" | "USAGE"));
        rights.extend(grant.may_pass_on.then_some("GRANT OPTION"));
        (!rights.is_empty()).then(|| format!("{} ON {}", rights.join(", "), grant.shown))
    };
    lines.iter().filter_map(|line| parse(line)).filter_map(writes).collect()
}

impl Grant {
    fn holds(&self, database: &str, table: &str) -> bool {
        match &self.scope {
            Scope::Global => true,
            Scope::Database(pattern) => like(pattern, database),
            Scope::Table(in_database, name) => in_database == database && name == table,
        }
    }

    /// Whether it gives a right on the whole of a table. SELECT counts with any columns: whether all can be read is
    /// found out by reading them. What may be written is not tried, so there only the whole right will do.
    fn covers(&self, right: &str, database: &str, table: &str) -> bool {
        let granted = |own: &String| {
            own == "ALL PRIVILEGES" || own == right || (right == "SELECT" && without_columns(own) == right)
        };
        self.holds(database, table) && self.rights.iter().any(granted)
    }

    /// Whether a right is needed wherever it holds.
    fn is_needed(&self, right: &str, role: Role, database: &str) -> bool {
        let (may_rehash, table, column) = REHASH;
        let is_column = right.replace('`', "") == format!("UPDATE ({column})");
        if role == may_rehash && is_column && self.scope == Scope::Table(database.to_owned(), table.to_owned()) {
            return true;
        }
        let right = without_columns(right);
        if right == "USAGE" {
            return true;
        }
        let on = |table: &Table| table.rights(role).contains(&right);
        match &self.scope {
            Scope::Global => false,
            Scope::Database(pattern) => like(pattern, database) && is_one_database(pattern) && TABLES.iter().all(on),
            Scope::Table(in_database, name) => {
                in_database == database && TABLES.iter().any(|table| table.name == name && on(table))
            }
        }
    }
}

/// ``SELECT (`id`)`` is SELECT.
fn without_columns(right: &str) -> &str {
    right.split(" (").next().unwrap_or(right)
}

fn parse(line: &str) -> Option<Grant> {
    let (rights, rest) = split_unquoted(line.strip_prefix("GRANT ")?, " ON ")?;
    let (object, rest) = split_unquoted(rest, " TO ")?;
    let rights = split_all(rights).into_iter().map(str::to_owned).collect();
    let named = ["TABLE ", "FUNCTION ", "PROCEDURE "].iter().find_map(|kind| object.strip_prefix(kind));
    let scope = match split_unquoted(named.unwrap_or(object), ".") {
        Some(("*", "*")) => Scope::Global,
        Some((database, "*")) => Scope::Database(unquoted(database)),
        Some((database, table)) => Scope::Table(unquoted(database), unquoted(table)),
        // GRANT PROXY ON 'user'@'host'
        None => Scope::Global,
    };
    Some(Grant { rights, scope, shown: object.to_owned(), may_pass_on: rest.contains(" WITH GRANT OPTION") })
}

/// Splits at the first separator that stands outside quotes and parentheses.
fn split_unquoted<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = unquoted_positions(text).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(separator)))?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

fn split_all(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some((part, rest)) = split_unquoted(text, ", ") {
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

/// The positions of the characters that stand outside quotes and parentheses.
fn unquoted_positions(text: &str) -> impl Iterator<Item = usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    text.char_indices().filter_map(move |(at, character)| match (quote, character) {
        (Some(open), _) if character == open => {
            quote = None;
            None
        }
        (Some(_), _) => None,
        (None, '`' | '\'' | '"') => {
            quote = Some(character);
            (depth == 0).then_some(at)
        }
        (None, '(') => {
            depth += 1;
            None
        }
        (None, ')') => {
            depth = depth.saturating_sub(1);
            None
        }
        (None, _) => (depth == 0).then_some(at),
    })
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
        Some(name) => name.replace("``", "`"),
        None => name.to_owned(),
    }
}

/// A pattern of a GRANT: `%` is any text, `_` any character, `\` takes their meaning away.
fn like(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go on if what follows the last `%` does not fit: behind it, with one more character taken by it.
    let mut again: Option<(usize, usize)> = None;
    while let Some(character) = text.get(read) {
        match pattern.get(at) {
            Some(Token::AnyText) => {
                at += 1;
                again = Some((at, read));
            }
            Some(Token::AnyCharacter) => (at, read) = (at + 1, read + 1),
            Some(Token::Character(wanted)) if wanted == character => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((behind, taken)) = again else { return false };
                again = Some((behind, taken + 1));
                (at, read) = (behind, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|token| *token == Token::AnyText)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    AnyText,
    AnyCharacter,
    Character(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut characters = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => Token::AnyText,
            '_' => Token::AnyCharacter,
            '\\' => Token::Character(characters.next().unwrap_or('\\')),
            other => Token::Character(other),
        });
    }
    tokens
}

/// `_` is in many names of databases by accident; `%` never is.
fn is_one_database(pattern: &str) -> bool {
    !tokens(pattern).contains(&Token::AnyText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_as_in_like() {
        let cases = [
            ("wg", "wg", true),
            ("w_", "wg", true),
            ("w\\_", "wg", false),
            ("w\\_", "w_", true),
            ("%", "", true),
            ("w%g", "wicketgate", false),
            ("w%e", "wicketgate", true),
            ("", "w", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
    }
}
