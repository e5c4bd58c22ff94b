//! What commands print: results to standard output, faults to standard error. The one module that writes to
//! either. A reader that has gone away (a closed pipe) ends the talking, not the process.

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two turns of a spinner.
const SPINNER_TURN: Duration = Duration::from_millis(100);

/// One line of result.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line of fault.
pub fn fault(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "sluicegate: {text}");
}

/// A result as JSON.
pub fn json(value: &serde_json::Value) {
    line(&format!("{value:#}"));
}

/// A result as one JSON object whose lists are printed while they are found: a store may have more to tell of than there
/// is memory for. Dropped before its end, it says `"ended_early": true`, so that what was printed reads in any case.
pub struct JsonLists {
    /// Their names, in the order in which they come.
    names: &'static [&'static str],
    /// How many of them have begun.
    begun: usize,
    /// Whether the one that began last has an entry.
    has_entry: bool,
    print: fn(&str),
}

impl JsonLists {
    /// An object with these lists. Prints nothing yet.
    pub fn new(names: &'static [&'static str]) -> Self {
        let print = |text: &str| {
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
        };
        Self { names, begun: 0, has_entry: false, print }
    }

    /// Prints an entry of a list; those before it have ended.
    ///
    /// # Panics
    /// If there is no such list, or it has ended.
    pub fn entry(&mut self, list: &str, value: &serde_json::Value) {
        while self.begun == 0 || self.names[self.begun - 1] != list {
            self.begin_next();
        }
        let before = if self.has_entry { ",\n    " } else { "\n    " };
        self.has_entry = true;
        (self.print)(&format!("{before}{value}"));
    }

    /// Prints the rest of the object: `facts` are its other fields.
    pub fn finish(mut self, facts: &serde_json::Value) {
        self.close(facts);
    }

    fn begin_next(&mut self) {
        let before = match (self.begun, self.has_entry) {
            (0, _) => "{\n  ",
            (_, true) => "\n  ],\n  ",
            (_, false) => "],\n  ",
        };
        (self.print)(&format!("{before}\"{}\": [", self.names[self.begun]));
        (self.begun, self.has_entry) = (self.begun + 1, false);
    }

    fn close(&mut self, facts: &serde_json::Value) {
        while self.begun < self.names.len() {
            self.begin_next();
        }
        (self.print)(if self.has_entry { "\n  ]" } else { "]" });
        for (name, value) in facts.as_object().into_iter().flatten() {
            (self.print)(&format!(",\n  \"{name}\": {value}"));
        }
        (self.print)("\n}\n");
        self.begun = usize::MAX;
    }
}

impl Drop for JsonLists {
    fn drop(&mut self) {
        if (1..=self.names.len()).contains(&self.begun) {
            self.close(&serde_json::json!({ "ended_early": true }));
        }
    }
}

/// An object's key as it may be shown on a terminal: control characters, which could rewrite what is on it, are
/// escaped.
pub fn key(key: &str) -> String {
    let show = |character: char| match character.is_control() {
        true => character.escape_default().collect(),
        false => character.to_string(),
    };
    key.chars().map(show).collect()
}

/// A table: columns padded to their widest cell, in bytes; cells are our own ASCII or names that were
/// checked.
pub fn table(header: &[&str], rows: &[Vec<String>]) {
    for row in aligned(header, rows) {
        line(&row);
    }
}

/// A colour of a word in the first column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// As it should be.
    Green,
    /// Worth a look.
    Yellow,
    /// Wrong.
    Red,
}

/// A table whose rows have a colour each, on a terminal and unless `NO_COLOR` is set (no-color.org).
pub fn coloured_table(header: &[&str], rows: &[Vec<String>], colours: &[Colour]) {
    let is_plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty());
    let lines = aligned(header, rows);
    for (index, text) in lines.iter().enumerate() {
        match index.checked_sub(1).and_then(|row| colours.get(row)).filter(|_| !is_plain) {
            Some(colour) => line(&painted(text, *colour)),
            None => line(text),
        }
    }
}

/// The first word of a line in that colour.
fn painted(text: &str, colour: Colour) -> String {
    let code = match colour {
        Colour::Green => 32,
        Colour::Yellow => 33,
        Colour::Red => 31,
    };
    let (word, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    format!("\u{1b}[{code}m{word}\u{1b}[0m{rest}")
}

/// Shows on standard error, if that is a terminal, that something is going on whose end nobody knows.
pub fn spinner(form: &str, is_quiet: bool) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_spinner()));
    if !is_quiet && std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(SPINNER_TURN);
    }
    bar
}

/// An error and its causes on one line. A cause that an error already quotes is not said twice.
pub fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let detail = error.to_string();
        if !text.contains(&detail) {
            text = format!("{text}: {detail}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn aligned(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let lines = || std::iter::once(&header).chain(rows);
    let widths: Vec<usize> = (0..header.len())
        .map(|column| lines().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0))
        .collect();
    let show = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines().map(show).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::{Colour, JsonLists, aligned, describe, key, painted};

    thread_local! {
        static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
    }

    /// What `tell` prints of an object with the lists `a`, `b` and `c`.
    fn printed(tell: impl FnOnce(JsonLists)) -> String {
        let print = |text: &str| PRINTED.with_borrow_mut(|printed| printed.push_str(text));
        tell(JsonLists { print, ..JsonLists::new(&["a", "b", "c"]) });
        PRINTED.take()
    }

    #[test]
    fn lists_that_are_printed_as_they_are_found_are_one_object() {
        let text = printed(|mut lists| {
            lists.entry("a", &json!({ "x": 1 }));
            lists.entry("a", &json!("\""));
            lists.entry("c", &json!(null));
            lists.finish(&json!({ "n": 2, "text": "t" }));
        });
        let read: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, json!({ "a": [{ "x": 1 }, "\""], "b": [], "c": [null], "n": 2, "text": "t" }));
        let empty = printed(|lists| lists.finish(&json!({})));
        assert_eq!(serde_json::from_str::<Value>(&empty).unwrap(), json!({ "a": [], "b": [], "c": [] }));
    }

    #[test]
    fn an_object_that_ended_early_reads_and_says_so_and_one_that_never_began_is_not_printed() {
        let text = printed(|mut lists| lists.entry("b", &json!(1)));
        let read: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, json!({ "a": [], "b": [1], "c": [], "ended_early": true }));
        assert_eq!(printed(drop), "");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("open database")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_fault_is_one_line_with_its_causes() {
        let error = Outer(std::io::Error::other("disk\n  gone"));
        assert_eq!(describe(&error), "open database: disk gone");
    }

    #[test]
    fn a_key_cannot_write_over_the_terminal() {
        assert_eq!(key("ä/b c\\\u{1b}[2J\n\u{9b}x\u{7f}"), "ä/b c\\\\u{1b}[2J\\n\\u{9b}x\\u{7f}");
    }

    #[test]
    fn only_the_first_word_is_painted() {
        assert_eq!(painted("ok  clock", Colour::Green), "\u{1b}[32mok\u{1b}[0m  clock");
        assert_eq!(painted("bad", Colour::Red), "\u{1b}[31mbad\u{1b}[0m");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["longer".to_owned(), "2".to_owned()]];
        assert_eq!(aligned(&["NAME", "N"], &rows), ["NAME    N", "a       1", "longer  2"]);
    }
}
