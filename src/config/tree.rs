//! YAML text (version 1.2) as a tree whose every node knows where it stands. What can be told without
//! knowing which keys are wanted is told here: syntax, keys that stand twice, tags, aliases. A scalar
//! keeps the text it was written as, so that `off` and `1.2` mean what the reader of them wants, not
//! what YAML makes of them.
//!
//! The size of the text, the depth of nesting and the number of nodes that aliases unfold to are
//! bounded.

use super::fault::{Fault, Span};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput, Tag};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// The largest text that is read, in octets.
pub(super) const MAX_OCTETS: u64 = 1024 * 1024;

/// The most nodes that a text may have when every alias stands for a copy.
const MAX_NODES: usize = 100_000;

/// How deep flow and block collections may be nested, each.
const MAX_DEPTH: usize = 32;

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Rc<Value>,
    /// How many nodes it is made of, aliases counted as copies.
    nodes: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing was written, or `~` or `null`.
    Null,
    /// A scalar as it was written, without quotes and escapes.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file, no key twice.
    Map(Vec<Entry>),
    /// Something that a fault was reported of already.
    Faulty,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) node: Node,
}

/// What came of a text.
pub(super) struct Parsed {
    /// The document; `None` if the syntax is broken.
    pub(super) root: Option<Node>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
    /// Where secrets stand in the text, for reports to blot them out.
    pub(super) secrets: Vec<Range<usize>>,
}

/// Reads one document.
pub(super) fn parse(text: &str) -> Parsed {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder {
        events: Parser::new_from_str_with_options(text, options),
        text,
        anchors: HashMap::new(),
        nodes: 0,
        faults: Vec::new(),
        secrets: Vec::new(),
    };
    let root = builder.document().ok();
    Parsed { root, faults: builder.faults, secrets: builder.secrets }
}

/// The rest of the text cannot be read; the fault that says why is among the faults.
struct Stop;

struct Builder<'t> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    faults: Vec<Fault>,
    secrets: Vec<Range<usize>>,
}

impl<'t> Builder<'t> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let fault = Fault::error(span, "", "a second document begins here");
                    return Err(self.stop(fault.help("write one document in one file".to_owned())));
                }
                _ => root = Some(self.node(event, span, "")?),
            }
        }
        root.ok_or_else(|| self.stop(Fault::error(Span::default(), "", "the file is empty")))
    }

    fn stop(&mut self, fault: Fault) -> Stop {
        self.faults.push(fault);
        Stop
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                let start = span.start.byte_offset().unwrap_or_default();
                let end = span.end.byte_offset().unwrap_or(start).max(start);
                Ok((event, Span { line: span.start.line(), column: span.start.col() + 1, start, end }))
            }
            Some(Err(error)) => Err(self.broken(&error)),
            None => Err(self.stop(Fault::error(Span::default(), "", "the file ends unexpectedly"))),
        }
    }

    fn broken(&mut self, error: &ScanError) -> Stop {
        let marker = error.marker();
        let start = marker.byte_offset().unwrap_or_default().min(self.text.len());
        let span = Span { line: marker.line(), column: marker.col() + 1, start, end: start };
        // What a line with a secret looks like is unknown while the syntax is broken, so every line that
        // may be one is blotted out.
        self.secrets.extend(lines_that_may_hold_secrets(self.text));
        self.stop(Fault::error(span, "", format!("this is not YAML: {}", error.info())))
    }

    /// The node that begins with this event.
    fn node(&mut self, event: Event<'t>, span: Span, path: &str) -> Result<Node, Stop> {
        let (value, anchor, nodes) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span, path);
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                (if nothing { Value::Null } else { Value::Scalar(text.into_owned()) }, anchor, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span, path);
                let (items, nodes) = self.list(path)?;
                (Value::List(items), anchor, nodes)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span, path);
                let (entries, nodes) = self.map(path)?;
                (Value::Map(entries), anchor, nodes)
            }
            Event::Alias(id) => return self.alias(id, span, path),
            Event::UnresolvedAlias(name) => {
                self.faults.push(Fault::error(span, path, format!("no anchor &{name} stands before this alias")));
                (Value::Faulty, 0, 1)
            }
            _ => return Err(self.stop(Fault::error(span, path, "a value is missing here"))),
        };
        self.count(1, span)?;
        let span = if matches!(value, Value::List(_) | Value::Map(_)) { self.to_end_of_line(span) } else { span };
        let node = Node { span, value: Rc::new(value), nodes };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span, path: &str) -> Result<Node, Stop> {
        let Some(Node { value, nodes, .. }) = self.anchors.get(&id).cloned() else {
            self.faults.push(Fault::error(span, path, "this alias stands within what it is an alias of"));
            return Ok(Node { span, value: Rc::new(Value::Faulty), nodes: 1 });
        };
        self.count(nodes, span)?;
        Ok(Node { span, value, nodes })
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!("the file unfolds to more than {MAX_NODES} values here");
            return Err(self.stop(Fault::error(span, "", message)));
        }
        Ok(())
    }

    fn list(&mut self, path: &str) -> Result<(Vec<Node>, usize), Stop> {
        let mut items = Vec::new();
        let mut nodes = 1_usize;
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok((items, nodes));
            }
            let item = self.node(event, span, &item_path(path, items.len()))?;
            nodes = nodes.saturating_add(item.nodes);
            items.push(item);
        }
    }

    fn map(&mut self, path: &str) -> Result<(Vec<Entry>, usize), Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        let mut nodes = 1_usize;
        loop {
            let (event, key_span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((entries, nodes));
            }
            let key_node = self.node(event, key_span, path)?;
            let key = match &*key_node.value {
                Value::Scalar(key) => Some(key.clone()),
                Value::Null => Some("null".to_owned()),
                Value::Faulty => None,
                Value::List(_) | Value::Map(_) => {
                    self.faults.push(Fault::error(key_span, path, "a key must be a word"));
                    None
                }
            };
            let key_path = key_path(path, key.as_deref().unwrap_or("?"));
            let (event, span) = self.next()?;
            let node = self.node(event, span, &key_path)?;
            let Some(key) = key else { continue };
            if names_a_secret(&key) {
                self.blot_out(&node);
            }
            nodes = nodes.saturating_add(node.nodes);
            if key == "<<" {
                let fault = Fault::error(key_span, path, "merge keys (`<<`) are not part of YAML 1.2");
                let help = "write the keys out, or let an alias stand for a whole value: `tls: *tls`".to_owned();
                self.faults.push(fault.help(help));
            } else if let Some(line) = lines.get(&key) {
                let message = format!("`{key}` stands twice; the first one is on line {line}");
                self.faults.push(Fault::error(key_span, key_path, message).help("remove one of them".to_owned()));
            } else {
                lines.insert(key.clone(), key_span.line);
                entries.push(Entry { key, key_span, node });
            }
        }
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: Span, path: &str) {
        if let Some(tag) = tag {
            let message = format!("the tag {} means nothing here", tag.original());
            self.faults.push(Fault::error(span, path, message).help("remove it".to_owned()));
        }
    }

    /// A collection's event covers its first character at best; its first line is what can be shown.
    fn to_end_of_line(&self, span: Span) -> Span {
        let line = self.text.get(span.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Span { end: span.end.max(span.start + line.trim_end().len()), ..span }
    }

    /// Remembers where the scalars of a secret's value stand, except the names of files and of variables.
    fn blot_out(&mut self, node: &Node) {
        match &*node.value {
            Value::Scalar(_) => self.secrets.push(node.span.start..node.span.end),
            Value::List(items) => items.iter().for_each(|item| self.blot_out(item)),
            Value::Map(entries) => entries
                .iter()
                .filter(|entry| !matches!(entry.key.as_str(), "file" | "env"))
                .for_each(|entry| self.blot_out(&entry.node)),
            Value::Null | Value::Faulty => {}
        }
    }
}

/// Whether what stands under this key may be a secret; a misspelt key is no reason to show one.
fn names_a_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["pass", "secret", "token", "credential"].iter().any(|word| key.contains(word))
        || super::fault::nearest(&key, ["password", "secret", "ticket_secret"]).is_some()
}

fn lines_that_may_hold_secrets(text: &str) -> Vec<Range<usize>> {
    let mut secrets = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let mut before = 0;
        for (colon, _) in line.match_indices(':') {
            let key = line.get(before..colon).unwrap_or_default();
            let key = key.rsplit([' ', '{', ',', '"', '\'', '-']).find(|word| !word.is_empty()).unwrap_or_default();
            if names_a_secret(key) {
                secrets.push(start + colon + 1..start + line.trim_end().len());
                break;
            }
            before = colon + 1;
        }
        start += line.len();
    }
    secrets
}

/// The text with those octets replaced by asterisks; line ends stay.
pub(super) fn blotted(text: &str, secrets: &[Range<usize>]) -> String {
    let mut octets = text.as_bytes().to_vec();
    for range in secrets {
        for octet in octets.get_mut(range.clone()).unwrap_or_default() {
            if !matches!(octet, b'\n' | b'\r') {
                *octet = b'*';
            }
        }
    }
    // Only whole scalars are replaced, so no character is cut in two.
    String::from_utf8(octets).unwrap_or_default()
}

/// The path of a key: `tls` in `listeners[0]` is `listeners[0].tls`.
pub(super) fn key_path(parent: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (parent.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{parent}.{key}"),
        (_, false) => format!("{parent}[{key:?}]"),
    }
}

/// The path of the item of a list.
pub(super) fn item_path(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> Vec<String> {
        let fault = |fault: &Fault| format!("{}:{} {}: {}", fault.line, fault.column, fault.path, fault.message);
        parse(text).faults.iter().map(fault).collect()
    }

    #[test]
    fn a_fault_of_the_text_has_its_place() {
        let cases = [
            ("", "0:0 : the file is empty"),
            ("# nothing\n", "0:0 : the file is empty"),
            ("a: 1\n---\nb: 2\n", "3:1 : a second document begins here"),
            ("a: 1\nb: 2\na: 3\n", "3:1 a: `a` stands twice; the first one is on line 1"),
            ("a:\n  - {x: 1, x: 2}\n", "2:12 a[0].x: `x` stands twice; the first one is on line 2"),
            ("a: !!str 1\n", "1:10 a: the tag !!str means nothing here"),
            ("a: *b\n", "1:4 a: no anchor &b stands before this alias"),
            ("a: &a [*a]\n", "1:8 a[0]: this alias stands within what it is an alias of"),
            ("[1]: 2\n", "1:1 : a key must be a word"),
            ("a: &b {x: 1}\nc:\n  <<: *b\n", "3:3 c: merge keys (`<<`) are not part of YAML 1.2"),
        ];
        for (text, expected) in cases {
            assert_eq!(faults(text), [expected], "{text}");
        }
        assert!(faults("a: [1\nb: 2\n").iter().any(|fault| fault.contains("this is not YAML")));
        assert!(faults(&"[".repeat(200)).iter().any(|fault| fault.contains("this is not YAML")));
    }

    #[test]
    fn what_aliases_unfold_to_is_bounded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let copies = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{copies}]\n"));
        }
        assert!(faults(&bomb).iter().any(|fault| fault.contains("unfolds to more than")));
    }

    #[test]
    fn a_secret_is_blotted_out_whatever_its_key_is_spelt_like() {
        let cases = [
            "password: hunter2\n",
            "passwrod: hunter2\n",
            "a: {secret: 'hunter2', b: 1}\n",
            "password: {fil: hunter2}\n",
            "password: [hunter2]\n",
            "password: x\npassword: hunter2\n",
            "ticket_secrets: |\n  hunter2\n",
            "password: hunter2: x\n",
            "a: {password: \"hunter2}\n",
        ];
        for text in cases {
            let parsed = parse(text);
            let shown = blotted(text, &parsed.secrets);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.len(), text.len());
        }
        let harmless = "password: {file: db.password}\n";
        assert_eq!(blotted(harmless, &parse(harmless).secrets), harmless);
    }

    proptest! {
        #[test]
        fn no_text_ends_the_process(text in "[-a-c:&*\\[\\]{}!|>'\"#,?%~ \\n\\t\\r]{0,60}") {
            let parsed = parse(&text);
            prop_assert!(parsed.root.is_some() || !parsed.faults.is_empty());
            let _ = blotted(&text, &parsed.secrets);
        }
    }
}
