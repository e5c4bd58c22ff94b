//! JSON as the policy language needs it: objects keep their order, and an element that is there twice is an error
//! instead of a silent choice.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::policy::PolicyError;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A number as text: the language compares numbers as its operators say.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object, in the order of the document.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a whole document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let duplicate = RefCell::new(None);
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let read = Seed(&duplicate).deserialize(&mut reader).and_then(|node| reader.end().map(|()| node));
        read.map_err(|_| duplicate.take().map_or(PolicyError::NotJson, PolicyError::Duplicate))
    }

    /// The elements of a value that may be one or a list of them.
    pub(super) fn one_or_many(&self) -> &[Self] {
        match self {
            Self::List(nodes) => nodes,
            one => std::slice::from_ref(one),
        }
    }

    /// The text of a text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The text of a text, number or truth value, as conditions may write them.
    pub(super) fn scalar(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Null | Self::List(_) | Self::Object(_) => None,
        }
    }
}

/// Reads one value; notes the name of an element that is there twice.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = access.next_key::<String>()? {
            if !names.insert(name.clone()) {
                self.0.replace(Some(name));
                return Err(A::Error::custom("duplicate element"));
            }
            entries.push((name, access.next_value_seed(self)?));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::Node;
    use crate::policy::PolicyError;

    #[test]
    fn an_element_that_is_there_twice_is_named() {
        assert_eq!(Node::parse(br#"{"a":{"b":1,"b":2}}"#), Err(PolicyError::Duplicate("b".to_owned())));
        let order = Node::parse(br#"{"b":[true,null],"a":-1.5}"#).unwrap();
        let list = Node::List(vec![Node::Bool(true), Node::Null]);
        assert_eq!(order, Node::Object(vec![("b".into(), list), ("a".into(), Node::Number("-1.5".into()))]));
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_stack_overflow() {
        let deep = "[".repeat(20_000);
        assert_eq!(Node::parse(deep.as_bytes()), Err(PolicyError::NotJson));
    }
}
