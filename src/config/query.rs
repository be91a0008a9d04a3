//! A query of the administrator's own: one SELECT with named parameters. It is read just far enough to
//! replace each `:name` by the `?` of a prepared statement and to refuse what is more than a SELECT; what it
//! means is for the server to say, which prepares it and is asked how many parameters it saw.
//!
//! Everything that one reader could take for text and another for code is refused instead of guessed:
//! backslashes (whether they escape depends on the server's mode), comments that are executed, variables.

use super::read::short;

/// The longest query in octets.
const MAX_LENGTH: usize = 16 * 1024;

/// One SELECT, ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    sql: String,
    parameters: Vec<Parameter>,
}

impl Query {
    /// The statement, with a `?` for each parameter.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// What is bound to each `?`, in their order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Reads a query that may use the parameters `known`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(text: &str, known: &[Parameter]) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err("the query is longer than 16 KiB".to_owned());
        }
        let mut reader = Reader {
            rest: text,
            known,
            query: Self { sql: String::with_capacity(text.len()), parameters: Vec::new() },
            state: State::Before,
        };
        while let Some(character) = reader.next() {
            reader.token(character)?;
        }
        if reader.state == State::Before {
            return Err(NO_SELECT.to_owned());
        }
        let mut query = reader.query;
        query.sql.truncate(query.sql.trim_end().len());
        Ok(query)
    }
}

/// What a query may ask with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Parameter {
    /// `:username`: the user name that is looked up, or of the account that was found.
    Username,
    /// `:email`: the address that is looked up, its domain in lower-case A-labels; or the one of the account
    /// that was found, as it stands in its row.
    Email,
    /// `:email_unicode`: the same address with its domain in U-labels.
    EmailUnicode,
    /// `:alias`: the alias that is looked up.
    Alias,
    /// `:local_part`: what stands before the last `@` of the name that is looked up, or all of it without one.
    LocalPart,
    /// `:domain_unicode`: the domain of an address in U-labels.
    DomainUnicode,
    /// `:domain`: what stands after the last `@` of the name that is looked up, or nothing without one.
    Domain,
    /// `:realm`: the realm of HTTP Digest.
    Realm,
    /// `:algorithm`: `SHA-256` or `MD5`.
    Algorithm,
    /// `:id`: the column `id` of the account that was found.
    Id,
}

impl Parameter {
    /// Its name, without the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::EmailUnicode => "email_unicode",
            Self::Alias => "alias",
            Self::LocalPart => "local_part",
            Self::Domain => "domain",
            Self::DomainUnicode => "domain_unicode",
            Self::Realm => "realm",
            Self::Algorithm => "algorithm",
            Self::Id => "id",
        }
    }
}

const NO_SELECT: &str = "a query begins with SELECT (or WITH), since all that is done here is read";

/// Words that make a SELECT write, or lock what others write. They are reserved: no name is spelt like them
/// without quotes.
const WRITING: [&str; 4] = ["INTO", "UPDATE", "DELETE", "LOCK"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No word was read.
    Before,
    Within,
    /// A semicolon was read.
    After,
}

struct Reader<'t> {
    rest: &'t str,
    known: &'t [Parameter],
    query: Query,
    state: State,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// What the rest begins with, as long as it fulfils a condition.
    fn take_while(&mut self, condition: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|character| !condition(character)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn token(&mut self, character: char) -> Result<(), String> {
        match character {
            character if character.is_ascii_whitespace() => self.blank(),
            '#' => self.rest_of_line(),
            '-' if self.rest.starts_with('-') => {
                let after = self.rest.strip_prefix('-').and_then(|rest| rest.chars().next());
                if after.is_some_and(|character| !character.is_ascii_whitespace()) {
                    return Err("after `--` stands a space, or it is no comment".to_owned());
                }
                self.rest_of_line();
            }
            '/' if self.rest.starts_with('*') => self.comment()?,
            ';' if self.state == State::Within => self.state = State::After,
            _ if self.state == State::After => return Err("this is more than one statement".to_owned()),
            '(' if self.state == State::Before => self.query.sql.push('('),
            character if is_of_word(character) => self.word(character)?,
            _ if self.state == State::Before => return Err(NO_SELECT.to_owned()),
            '\'' | '"' | '`' => self.quoted(character)?,
            ':' => self.parameter()?,
            '?' => return Err("parameters have names: write `:username`, not `?`".to_owned()),
            '@' => return Err("variables (`@name`) are not for a query that only reads".to_owned()),
            '\\' => return Err(BACKSLASH.to_owned()),
            character if character.is_ascii_graphic() => {
                self.query.sql.push(character);
                // The driver looks for named parameters once more, and does not see that a text begins
                // where a quote follows these.
                if matches!(character, '-' | '/') && self.rest.starts_with(['\'', '"', '`']) {
                    self.query.sql.push(' ');
                }
            }
            _ => return Err("the query holds a control character or one that SQL has no use for".to_owned()),
        }
        Ok(())
    }

    /// Blanks and comments become one space.
    fn blank(&mut self) {
        if !self.query.sql.ends_with([' ', '(']) && !self.query.sql.is_empty() {
            self.query.sql.push(' ');
        }
    }

    fn rest_of_line(&mut self) {
        self.take_while(|character| character != '\n');
        self.blank();
    }

    fn comment(&mut self) -> Result<(), String> {
        if ["*!", "*M!", "*+"].iter().any(|mark| self.rest.starts_with(mark)) {
            return Err("a comment that the server acts upon (`/*!`, `/*+`) is not read here".to_owned());
        }
        let body = self.rest.strip_prefix('*').unwrap_or(self.rest);
        let (_, rest) = body.split_once("*/").ok_or("a comment has no end")?;
        self.rest = rest;
        self.blank();
        Ok(())
    }

    fn word(&mut self, first: char) -> Result<(), String> {
        let mut word = String::from(first);
        word.push_str(self.take_while(is_of_word));
        let upper = word.to_ascii_uppercase();
        if self.state == State::Before && !matches!(upper.as_str(), "SELECT" | "WITH") {
            return Err(NO_SELECT.to_owned());
        }
        if WRITING.contains(&upper.as_str()) {
            return Err(format!("`{upper}` is not for a query that only reads"));
        }
        self.state = State::Within;
        self.query.sql.push_str(&word);
        Ok(())
    }

    /// A text or a quoted name; a doubled quote inside is read as the end of one and the beginning of the next.
    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let body = self.take_while(|character| character != quote && character != '\\');
        match self.next() {
            Some('\\') => Err(BACKSLASH.to_owned()),
            Some(_) if body.contains('\0') => Err("the query holds a NUL".to_owned()),
            Some(_) => {
                self.query.sql.extend([quote]);
                self.query.sql.push_str(body);
                self.query.sql.extend([quote]);
                Ok(())
            }
            None => Err(format!("a {quote} has no end")),
        }
    }

    fn parameter(&mut self) -> Result<(), String> {
        let name = self.take_while(is_of_word);
        if name.is_empty() {
            return Err("after `:` stands the name of a parameter".to_owned());
        }
        match self.known.iter().find(|parameter| parameter.as_str() == name) {
            Some(parameter) => {
                self.query.sql.push('?');
                self.query.parameters.push(*parameter);
                Ok(())
            }
            None => {
                let known: Vec<String> = self.known.iter().map(|known| format!("`:{}`", known.as_str())).collect();
                Err(format!("`:{}` is no parameter of this query, which has {}", short(name), known.join(", ")))
            }
        }
    }
}

const BACKSLASH: &str = "what a backslash means depends on the server's mode: write CHAR(92) for one";

/// Letters, digits and what else a name without quotes is made of.
fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$') || character >= '\u{80}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: [Parameter; 3] = [Parameter::Username, Parameter::LocalPart, Parameter::Domain];

    fn parse(text: &str) -> Result<(String, Vec<Parameter>), String> {
        Query::parse(text, &KNOWN).map(|query| (query.sql, query.parameters))
    }

    #[test]
    fn names_become_the_parameters_of_a_prepared_statement() {
        use Parameter::{Domain, LocalPart, Username};
        let cases: [(&str, &str, &[Parameter]); 10] = [
            ("SELECT u FROM t WHERE u = :username", "SELECT u FROM t WHERE u = ?", &[Username]),
            (
                "select 1\n  from t where a=:local_part and b=:domain or c=:local_part;\n",
                "select 1 from t where a=? and b=? or c=?",
                &[LocalPart, Domain, LocalPart],
            ),
            ("SELECT ':username', `:domain`, \":x\" FROM t", "SELECT ':username', `:domain`, \":x\" FROM t", &[]),
            ("SELECT 'it''s; :x -- /*' FROM t", "SELECT 'it''s; :x -- /*' FROM t", &[]),
            ("SELECT 1 -- :username; DROP\n + 1 # x'\n/* ? @ \\ ' */+ 2", "SELECT 1 + 1 + 2", &[]),
            ("-- first\nSELECT 1", "SELECT 1", &[]),
            ("(SELECT 1) UNION (SELECT :username)", "(SELECT 1) UNION (SELECT ?)", &[Username]),
            ("WITH x AS (SELECT 1) SELECT * FROM x", "WITH x AS (SELECT 1) SELECT * FROM x", &[]),
            ("SELECT a->'$.b:x', 1-'2:x', 1/':y'", "SELECT a->'$.b:x', 1- '2:x', 1/ ':y'", &[]),
            ("SELECT größe, `update`, 'into' FROM t", "SELECT größe, `update`, 'into' FROM t", &[]),
        ];
        for (text, sql, parameters) in cases {
            assert_eq!(parse(text), Ok((sql.to_owned(), parameters.to_vec())), "{text}");
        }
    }

    #[test]
    fn what_is_more_than_a_select_is_refused() {
        let long = format!("SELECT '{}'", "x".repeat(MAX_LENGTH));
        let cases = [
            ("", "begins with SELECT"),
            ("  -- nothing\n", "begins with SELECT"),
            ("()", "begins with SELECT"),
            ("UPDATE t SET a = 1", "begins with SELECT"),
            ("DROP TABLE t", "begins with SELECT"),
            ("'SELECT'", "begins with SELECT"),
            ("SELECTED 1", "begins with SELECT"),
            ("SELECT 1; SELECT 2", "more than one statement"),
            ("SELECT 1; DROP TABLE t", "more than one statement"),
            ("SELECT 1;;", "more than one statement"),
            ("SELECT a INTO OUTFILE '/tmp/x' FROM t", "`INTO`"),
            ("SELECT a FROM t FOR UPDATE", "`UPDATE`"),
            ("SELECT a FROM t LOCK IN SHARE MODE", "`LOCK`"),
            ("WITH x AS (SELECT 1) DELETE FROM t", "`DELETE`"),
            ("SELECT @a := 1", "variables"),
            ("SELECT @@version", "variables"),
            ("SELECT ?", "have names"),
            ("SELECT :password", "`:password` is no parameter"),
            ("SELECT :Username", "`:Username` is no parameter"),
            ("SELECT : username", "after `:`"),
            ("SELECT 'a\\'; DROP TABLE t; --'", "backslash"),
            ("SELECT \\N", "backslash"),
            ("SELECT 'a", "' has no end"),
            ("SELECT `a", "` has no end"),
            ("SELECT 'a''", "' has no end"),
            ("SELECT 1 /* a", "comment has no end"),
            ("SELECT /*! SLEEP(9) */ 1", "acts upon"),
            ("SELECT /*M! SLEEP(9) */ 1", "acts upon"),
            ("SELECT /*+ MAX_EXECUTION_TIME(1) */ 1", "acts upon"),
            ("SELECT 5--1", "no comment"),
            ("SELECT 1\0", "control character"),
            ("SELECT 'a\0'", "NUL"),
            (long.as_str(), "longer than 16 KiB"),
        ];
        for (text, expected) in cases {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_more_parameters_than_marks_outside_of_quotes(
            text in "(SELECT )?([a-z:?'\"`\\\\;#@/* \n-]|:username|--|/\\*|\\*/|''|é){0,30}",
        ) {
            let Ok((sql, parameters)) = parse(&text) else { return Ok(()) };
            let mut marks = 0;
            let mut quote = None;
            for character in sql.chars() {
                match (quote, character) {
                    (None, '\'' | '"' | '`') => quote = Some(character),
                    (None, '?') => marks += 1,
                    (Some(open), close) if open == close => quote = None,
                    (None, ';' | '@' | '\\' | '#') => prop_assert!(false, "{sql}"),
                    _ => {}
                }
            }
            prop_assert_eq!(quote, None);
            prop_assert_eq!(marks, parameters.len());
        }
    }
}
