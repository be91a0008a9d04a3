//! From the tree to the raw shape, by way of serde, without stopping at the first fault. A [`Field`]
//! takes up whatever goes wrong below it: the fault is noted, the field is [`Field::Faulty`] and the
//! rest is read on. Unknown keys are noted and skipped.
//!
//! Serde offers no way for a deserializer to see that a value is a `Field`, or that an enum stands for
//! "text or a mapping", except by the names of the types; so two names, [`FIELD`] and [`KIND`], are agreed
//! upon here.

use super::fault::{Fault, Span, suggest};
use super::tree::{Entry, Node, Value, item_path, key_path};
use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;

/// The name under which [`Field`] asks to be read.
const FIELD: &str = "$field";

/// The serde name of an enum whose variants [`TEXT`], [`LIST`] and [`MAP`] are chosen by what stands there.
pub(super) const KIND: &str = "$kind";
/// The variant of a [`KIND`] enum for a scalar.
pub(super) const TEXT: &str = "$text";
/// The variant of a [`KIND`] enum for a sequence.
pub(super) const LIST: &str = "$list";
/// The variant of a [`KIND`] enum for a mapping.
pub(super) const MAP: &str = "$map";

/// Where a field stands: an index into [`Read::places`]. The default is the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PlaceId(usize);

/// Path and position of a field.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) span: Span,
}

/// All places, by [`PlaceId`].
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

impl Places {
    pub(super) fn get(&self, id: PlaceId) -> Place {
        self.0.get(id.0).cloned().unwrap_or_default()
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) place: PlaceId,
    pub(super) value: T,
}

/// A key's value, or a list's item.
#[derive(Debug, Clone, Default)]
pub(super) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// Something else than a `T` stands there, which has been reported.
    Faulty,
    /// It is there.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The value, if it is there and of the right shape.
    pub(super) fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// The value without its place.
    pub(super) fn value(&self) -> Option<&T> {
        self.given().map(|at| &at.value)
    }

    /// Whether the key is there, with whatever value.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<T>()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field<T>, A::Error> {
                let place = PlaceId(seq.next_element()?.unwrap_or_default());
                Ok(seq.next_element()?.map_or(Field::Faulty, |value| Field::Given(At { place, value })))
            }
        }

        deserializer.deserialize_newtype_struct(FIELD, FieldVisitor(PhantomData))
    }
}

/// What came of reading a tree.
pub(super) struct Read<T> {
    pub(super) value: Field<T>,
    pub(super) places: Places,
    pub(super) faults: Vec<Fault>,
}

/// Reads a whole tree.
pub(super) fn read<'de, T: Deserialize<'de>>(root: &'de Node) -> Read<T> {
    let notes = RefCell::new(Notes { places: Vec::new(), faults: Vec::new() });
    let cursor = Cursor { node: root, place: Place { path: String::new(), span: root.span }, notes: &notes };
    let value = Field::deserialize(cursor).unwrap_or(Field::Faulty);
    let Notes { places, faults } = notes.into_inner();
    Read { value, places: Places(places), faults }
}

struct Notes {
    places: Vec<Place>,
    faults: Vec<Fault>,
}

/// A value could not be read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The fault is noted already.
    Noted,
    /// What is wrong, to be noted for the place where it surfaces.
    Because(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Noted => "reported already",
            Self::Because(message) => message,
        })
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Because(message.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Because(format!("{expected} is expected here"))
    }
}

/// A node that is being read.
struct Cursor<'de, 'n> {
    node: &'de Node,
    place: Place,
    notes: &'n RefCell<Notes>,
}

impl<'de, 'n> Cursor<'de, 'n> {
    fn note(&self, message: impl Into<String>, help: impl Into<Option<String>>) -> Refusal {
        let fault = Fault::error(self.place.span, self.place.path.as_str(), message).help(help);
        self.notes.borrow_mut().faults.push(fault);
        Refusal::Noted
    }

    /// The fault of finding something else here than `expected`.
    fn mismatch(&self, expected: &str, help: Option<String>) -> Refusal {
        let found = match &*self.node.value {
            Value::Faulty => return Refusal::Noted,
            Value::Null => "nothing stands here",
            Value::Scalar(_) => "this is text",
            Value::List(_) => "this is a list",
            Value::Map(_) => "this is a mapping",
        };
        self.note(format!("{expected} is expected, but {found}"), help)
    }

    fn entry(&self, entry: &'de Entry) -> Cursor<'de, 'n> {
        let collection = matches!(&*entry.node.value, Value::List(_) | Value::Map(_));
        let nothing = entry.node.span.start >= entry.node.span.end;
        let span = if collection || nothing { entry.key_span } else { entry.node.span };
        let place = Place { path: key_path(&self.place.path, &entry.key), span };
        Cursor { node: &entry.node, place, notes: self.notes }
    }

    fn item(&self, index: usize, node: &'de Node) -> Cursor<'de, 'n> {
        let place = Place { path: item_path(&self.place.path, index), span: node.span };
        Cursor { node, place, notes: self.notes }
    }

    fn scalar(&self, expected: &str) -> Result<&'de str, Refusal> {
        match &*self.node.value {
            Value::Scalar(text) => Ok(text),
            _ => Err(self.mismatch(expected, None)),
        }
    }

    fn map(&self, keys: &'static [&'static str]) -> Result<&'de [Entry], Refusal> {
        match &*self.node.value {
            Value::Map(entries) => Ok(entries),
            _ => {
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                let help = (!keys.is_empty()).then(|| format!("its keys are: {}", keys.join(", ")));
                Err(self.mismatch("a mapping", help))
            }
        }
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, Refusal> {
        let text = self.scalar("a whole number")?;
        text.parse().map_err(|_| self.note(format!("`{}` is not a whole number that fits here", short(text)), None))
    }
}

/// As much of a text as belongs into a message.
pub(super) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

impl<'de> Deserializer<'de> for Cursor<'de, '_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &*self.node.value {
            Value::Faulty => Err(Refusal::Noted),
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text) => visitor.visit_borrowed_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        if name != FIELD {
            return visitor.visit_newtype_struct(self);
        }
        let id = {
            let mut notes = self.notes.borrow_mut();
            notes.places.push(self.place.clone());
            notes.places.len() - 1
        };
        visitor.visit_seq(FieldAccess { id: Some(id), cursor: Some(self) })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &*self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let text = self.scalar("true or false")?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => visitor.visit_bool(true),
            "false" | "no" | "off" => visitor.visit_bool(false),
            _ => Err(self.note(format!("`{}` is neither true nor false", short(text)), None)),
        }
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_u16(self.number()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_borrowed_str(self.scalar("text")?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &*self.node.value {
            Value::List(items) => visitor.visit_seq(ListAccess { items: items.iter().enumerate(), list: &self }),
            Value::Scalar(_) => Err(self.mismatch("a list", Some("write it in brackets: `[…]`".to_owned()))),
            _ => Err(self.mismatch("a list", None)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let entries = self.map(&[])?.iter();
        visitor.visit_map(EntryAccess { entries, map: &self, known: None, current: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let entries = self.map(keys)?.iter();
        visitor.visit_map(EntryAccess { entries, map: &self, known: Some(keys), current: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if name == KIND {
            let kind = match &*self.node.value {
                Value::Scalar(_) => TEXT,
                Value::List(_) => LIST,
                Value::Map(_) => MAP,
                Value::Null | Value::Faulty => "",
            };
            if !variants.contains(&kind) {
                let kinds = [(TEXT, "text"), (LIST, "a list"), (MAP, "a mapping")];
                let names = kinds.iter().filter(|(kind, _)| variants.contains(kind)).map(|(_, name)| *name);
                return Err(self.mismatch(&names.collect::<Vec<_>>().join(" or "), None));
            }
            return visitor.visit_enum(KindAccess { kind, cursor: self });
        }
        let text = self.scalar("a word")?;
        if !variants.contains(&text) {
            let message = format!("`{}` is not one of the words that are known here", short(text));
            return Err(self.note(message, suggest(text, variants.iter().copied())));
        }
        visitor.visit_enum(StrDeserializer::new(text))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

/// A [`Field`]: its place, and its value or, if that cannot be read, nothing.
struct FieldAccess<'de, 'n> {
    id: Option<usize>,
    cursor: Option<Cursor<'de, 'n>>,
}

impl<'de> SeqAccess<'de> for FieldAccess<'de, '_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        if let Some(id) = self.id.take() {
            let id: U64Deserializer<Refusal> = u64::try_from(id).map_err(Refusal::custom)?.into_deserializer();
            return seed.deserialize(id).map(Some);
        }
        let Some(Cursor { node, place, notes }) = self.cursor.take() else { return Ok(None) };
        match seed.deserialize(Cursor { node, place: place.clone(), notes }) {
            Ok(value) => Ok(Some(value)),
            Err(refusal) => {
                if let Refusal::Because(message) = refusal {
                    Cursor { node, place, notes }.note(message, None);
                }
                Ok(None)
            }
        }
    }
}

struct ListAccess<'de, 'n, 'a> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    list: &'a Cursor<'de, 'n>,
}

impl<'de> SeqAccess<'de> for ListAccess<'de, '_, '_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.list.item(index, node)).map(Some)
    }
}

struct EntryAccess<'de, 'n, 'a> {
    entries: std::slice::Iter<'de, Entry>,
    map: &'a Cursor<'de, 'n>,
    /// The keys of a struct; any key is good where there are none.
    known: Option<&'static [&'static str]>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for EntryAccess<'de, '_, '_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        for entry in self.entries.by_ref() {
            if let Some(known) = self.known
                && !known.contains(&entry.key.as_str())
            {
                let place = Place { path: key_path(&self.map.place.path, &entry.key), span: entry.key_span };
                let cursor = Cursor { node: &entry.node, place, notes: self.map.notes };
                let message = format!("`{}` is not a key that is known here", short(&entry.key));
                cursor.note(message, suggest(&entry.key, known.iter().copied()));
                continue;
            }
            self.current = Some(entry);
            return seed.deserialize(StrDeserializer::new(&entry.key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some(entry) = self.current.take() else { return Err(Refusal::custom("a value without a key")) };
        seed.deserialize(self.map.entry(entry))
    }
}

/// An enum of the name [`KIND`].
struct KindAccess<'de, 'n> {
    kind: &'static str,
    cursor: Cursor<'de, 'n>,
}

impl<'de, 'n> EnumAccess<'de> for KindAccess<'de, 'n> {
    type Error = Refusal;
    type Variant = Cursor<'de, 'n>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Cursor<'de, 'n>), Refusal> {
        let kind = seed.deserialize(StrDeserializer::<Refusal>::new(self.kind))?;
        Ok((kind, self.cursor))
    }
}

impl<'de> VariantAccess<'de> for Cursor<'de, '_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Err(Refusal::custom("a variant with a value is expected"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Refusal> {
        Err(Refusal::custom("a variant with one value is expected"))
    }

    fn struct_variant<V: Visitor<'de>>(self, keys: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_struct("", keys, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree;
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Outer {
        number: Field<u64>,
        inner: Field<Vec<Field<Inner>>>,
        named: Field<BTreeMap<String, Field<Word>>>,
        either: Field<Either>,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        text: Field<String>,
        maybe: Field<Option<String>>,
        switch: Field<bool>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        #[serde(alias = "uno")]
        One,
        Two,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename = "$kind")]
    enum Either {
        #[serde(rename = "$text")]
        #[expect(dead_code, reason = "it is read for its faults")]
        Word(Word),
        #[serde(rename = "$map")]
        Inner(Inner),
    }

    fn faults(text: &str) -> Vec<String> {
        let parsed = tree::parse(text);
        assert!(parsed.faults.is_empty(), "{:?}", parsed.faults);
        let read: Read<Outer> = read(&parsed.root.unwrap());
        let fault = |fault: &Fault| {
            let help = fault.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}:{} {}: {}{help}", fault.line, fault.column, fault.path, fault.message)
        };
        read.faults.iter().map(fault).collect()
    }

    #[test]
    fn every_fault_of_shape_is_reported_at_once() {
        let text = "\
number: many
inner:
  - {txt: x, switch: maybe}
  - text: [1]
  - just text
named: {a: oen, b: uno, c: }
either: [1]
other: 1
";
        assert_eq!(
            faults(text),
            [
                "1:9 number: `many` is not a whole number that fits here",
                "3:6 inner[0].txt: `txt` is not a key that is known here (did you mean `text`?)",
                "3:22 inner[0].switch: `maybe` is neither true nor false",
                "4:5 inner[1].text: text is expected, but this is a list",
                "5:5 inner[2]: a mapping is expected, but this is text (its keys are: `text`, `maybe`, `switch`)",
                "6:12 named.a: `oen` is not one of the words that are known here (did you mean `one`?)",
                "6:25 named.c: a word is expected, but nothing stands here",
                "7:1 either: text or a mapping is expected, but this is a list",
                "8:1 other: `other` is not a key that is known here (known here: `number`, `inner`, `named`, `either`)",
            ]
        );
    }

    #[test]
    fn a_scalar_means_what_its_reader_wants() {
        let text =
            "number: 12\ninner: [{text: 1.2, maybe: ~, switch: off}, {text: off, maybe: 'null'}]\neither: {text: x}";
        let parsed = tree::parse(text);
        let read: Read<Outer> = read(&parsed.root.unwrap());
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        let outer = read.value.value().unwrap();
        assert_eq!(outer.number.value(), Some(&12));
        let inner: Vec<&Inner> = outer.inner.value().unwrap().iter().filter_map(Field::value).collect();
        assert_eq!(inner[0].text.value().unwrap(), "1.2");
        assert_eq!(inner[0].maybe.value(), Some(&None));
        assert_eq!(inner[0].switch.value(), Some(&false));
        assert_eq!(inner[1].text.value().unwrap(), "off");
        assert_eq!(inner[1].maybe.value(), Some(&Some("null".to_owned())));
        assert!(!inner[1].switch.is_there());
        assert!(!outer.named.is_there());
        let place = read.places.get(outer.either.given().unwrap().place);
        assert_eq!((place.path.as_str(), place.span.line), ("either", 3));
        assert!(matches!(&outer.either.value(), Some(Either::Inner(inner)) if inner.text.is_there()));
    }
}
