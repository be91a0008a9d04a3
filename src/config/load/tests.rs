//! The examples, the manual, the schema and the check agree, and no text ends the process.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const EXAMPLES: [&str; 14] = [
    "minimal",
    "full",
    "mysql",
    "cluster/wicketgate",
    "authorization",
    "devices",
    "zimbra",
    "authorizer/wicketgate",
    "peers/a.example",
    "peers/b.example",
    "accounts/sip",
    "accounts/keytalk",
    "accounts/mailboxes",
    "accounts/zimbra",
];

fn example_path(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.yaml"))
}

fn example(name: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(example_path(name)).unwrap()).unwrap()
}

/// The JSON Schema, and what it says of single values.
struct Walker {
    root: Value,
}

impl Walker {
    fn new() -> Self {
        Self { root: serde_json::to_value(schema()).unwrap() }
    }

    /// All alternatives of a schema, references followed.
    fn alternatives<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(reference) = schema["$ref"].as_str() {
            let definition = self.root.pointer(reference.trim_start_matches('#')).unwrap();
            return self.alternatives(definition);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(alternatives) = schema[key].as_array() {
                return alternatives.iter().flat_map(|alternative| self.alternatives(alternative)).collect();
            }
        }
        vec![schema]
    }

    /// What is wrong with a value. Only as much of JSON Schema as the schema uses.
    fn complaints(&self, schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let mut best: Option<Vec<String>> = None;
        for alternative in self.alternatives(schema) {
            let complaints = self.complaints_of_one(alternative, value, path);
            if best.as_ref().is_none_or(|best| complaints.len() < best.len()) {
                best = Some(complaints);
            }
        }
        best.unwrap_or_default()
    }

    fn complaints_of_one(&self, schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !kinds.is_empty() && !kinds.contains(&kind) {
            return vec![format!("{path}: {kind} where {kinds:?} is wanted")];
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            return vec![format!("{path}: {value} is not one of {allowed:?}")];
        }
        if !schema["const"].is_null() && schema["const"] != *value {
            return vec![format!("{path}: {value} is not {}", schema["const"])];
        }
        if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
            && !regex::Regex::new(pattern).unwrap().is_match(text)
        {
            return vec![format!("{path}: {text} does not match {pattern}")];
        }
        match value {
            Value::Array(items) => {
                let each = items.iter().enumerate();
                each.flat_map(|(i, item)| self.complaints(&schema["items"], item, &format!("{path}[{i}]"))).collect()
            }
            Value::Object(entries) => self.complaints_of_object(schema, entries, path),
            _ => Vec::new(),
        }
    }

    fn complaints_of_object(&self, schema: &Value, entries: &Map<String, Value>, path: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for (key, value) in entries {
            let of_key = match schema["properties"].get(key) {
                Some(of_key) => of_key,
                None if schema["additionalProperties"].is_object() => &schema["additionalProperties"],
                None => {
                    complaints.push(format!("{path}.{key} is not in the schema"));
                    continue;
                }
            };
            complaints.extend(self.complaints(of_key, value, &format!("{path}.{key}")));
        }
        for key in schema["required"].as_array().into_iter().flatten() {
            if !entries.contains_key(key.as_str().unwrap()) {
                complaints.push(format!("{path}.{key} is required"));
            }
        }
        complaints
    }
}

#[test]
fn every_example_loads_and_keeps_to_the_schema() {
    let walker = Walker::new();
    for name in EXAMPLES {
        match load(&example_path(name)) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", loaded.warnings),
            Err(faults) => panic!("{faults}"),
        }
        let complaints = walker.complaints(&walker.root, &example(name), name);
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
    let mut bad = example("full");
    bad["listeners"][0]["tls"]["min_version"] = "1.1".into();
    bad["routes"][0]["pth"] = "/".into();
    assert_eq!(walker.complaints(&walker.root, &bad, "bad").len(), 2, "the walker sees what is wrong");
}

/// Every key of the schema as `Definition.key`.
fn keys_of_the_schema() -> BTreeSet<String> {
    let root = Walker::new().root;
    let mut keys: BTreeSet<String> = root["properties"].as_object().unwrap().keys().cloned().collect();
    for definition in root["$defs"].as_object().unwrap().values() {
        keys.extend(definition["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
    }
    keys
}

fn keys_of(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        Value::Object(entries) => {
            for (key, value) in entries {
                keys.insert(key.clone());
                keys_of(value, keys);
            }
        }
        _ => {}
    }
}

#[test]
fn the_examples_show_every_key() {
    // `docs/passwords.md` shows it, for queries of one's own over salted hashes.
    let mut shown = BTreeSet::from(["password_layout".to_owned()]);
    EXAMPLES.iter().for_each(|name| keys_of(&example(name), &mut shown));
    let missing: Vec<String> = keys_of_the_schema().difference(&shown).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_manual_explains_every_key() {
    let manual = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let missing: Vec<String> = keys_of_the_schema()
        .into_iter()
        .filter(|key| {
            let spellings = [format!("`{key}`"), format!(".{key}`"), format!("`{key}."), format!("{{{key}:")];
            !spellings.iter().any(|spelling| manual.contains(spelling))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The paths (as JSON pointers) of all keys of a value, and whether the schema requires each.
fn pointers(walker: &Walker, schema: &Value, value: &Value, at: &str, found: &mut Vec<(String, bool)>) {
    match value {
        Value::Array(items) => {
            for schema in walker.alternatives(schema).into_iter().filter(|schema| !schema["items"].is_null()) {
                for (index, item) in items.iter().enumerate() {
                    pointers(walker, &schema["items"], item, &format!("{at}/{index}"), found);
                }
            }
        }
        Value::Object(entries) => {
            for schema in walker.alternatives(schema) {
                for (key, value) in entries {
                    let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                    if let Some(of_key) = schema["properties"].get(key) {
                        let required = schema["required"]
                            .as_array()
                            .is_some_and(|required| required.contains(&key.as_str().into()));
                        found.push((at.clone(), required));
                        pointers(walker, of_key, value, &at, found);
                    } else if schema["additionalProperties"].is_object() {
                        pointers(walker, &schema["additionalProperties"], value, &at, found);
                    }
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_requires_what_the_check_requires() {
    let walker = Walker::new();
    let mut checked = 0;
    for name in EXAMPLES {
        let whole = example(name);
        let mut found = Vec::new();
        pointers(&walker, &walker.root, &whole, "", &mut found);
        for (pointer, required) in found {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            // These are needed only beside certain others, which JSON Schema would take pages to say.
            if matches!(key, "trust" | "ca" | "certificate" | "file" | "env") || pointer.ends_with("/tls/key") {
                continue;
            }
            // `https://` needs it.
            if pointer.starts_with("/upstreams/") && key == "tls" {
                continue;
            }
            // `names` need it.
            if pointer.starts_with("/peers/") && key == "issuers" {
                continue;
            }
            let mut without = whole.clone();
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            let missing = format!("`{key}` is missing");
            let complained = match parse(&without.to_string(), name, Path::new("")) {
                Ok(_) => false,
                Err(faults) => faults.iter().any(|fault| fault.message.starts_with(&missing)),
            };
            assert_eq!(complained, required, "{name}: {pointer}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn a_file_that_cannot_be_taken_for_a_configuration_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gate.yaml");
    let cases: [(&[u8], &str); 3] = [
        (b"", "the file is empty"),
        (b"a: 1\nb: \xff\n", "not UTF-8: see line 2"),
        (&vec![b'#'; 1024 * 1024 + 1], "larger than 1 MiB"),
    ];
    for (octets, message) in cases {
        std::fs::write(&path, octets).unwrap();
        let faults = load(&path).unwrap_err();
        assert!(faults.to_string().contains(message), "{faults}");
        assert!(faults.render(false).contains("gate.yaml"), "{}", faults.render(false));
    }
    assert!(load(&directory.path().join("none")).unwrap_err().to_string().contains("cannot be read"));
}

proptest! {
    #[test]
    fn no_configuration_ends_the_process(
        text in proptest::collection::vec("(listeners|trust|tls|upstream|password|a|é)?[-: \\[\\]{},&*'\"|\\n]{0,4}", 0..40),
    ) {
        let text = text.concat();
        if let Err(faults) = parse(&text, "gate.yaml", Path::new("")) {
            prop_assert!(!faults.render(false).is_empty());
            prop_assert!(!faults.to_string().is_empty());
        }
    }

    #[test]
    fn a_good_configuration_with_one_change_is_read_or_refused(at in 0_usize..4000, with in "\\PC{0,3}") {
        let mut text = std::fs::read_to_string(example_path("full")).unwrap();
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
        text.replace_range(at..end, &with);
        if let Err(faults) = parse(&text, "gate.yaml", Path::new("")) {
            prop_assert!(!faults.render(false).is_empty());
        }
    }
}
