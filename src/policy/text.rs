//! Text with wildcards and variables: `*` is any run of characters, `?` any one, `${key}` what the request says of a
//! condition key.
//!
//! A variable's value is always literal: a user named `*` does not match everybody's folder. `${*}`, `${?}` and
//! `${$}` are the characters themselves, and `${key, 'text'}` has a default. Matching goes through the text once per
//! run between stars, leftmost first, and never back: many stars cost no more than few.
//!
//! Source: IAM User Guide, "IAM policy elements: Variables and tags".

use std::borrow::Cow;

use crate::policy::PolicyError;

/// Where variables find their values.
pub(super) trait Lookup {
    /// The only value of a condition key, in its normal form; `None` if it has none or several.
    fn variable(&self, key: &str) -> Option<String>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Many,
    Variable { key: String, default: Option<String> },
}

/// Text of a document, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// The pattern, if there are no variables.
    fixed: Option<Pattern>,
}

impl Template {
    /// Reads text. Without `variables` (policies before 2012-10-17) a `${` is just text.
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if variables && let Some(inner) = rest.strip_prefix("${") {
                let (inside, after) = inner.split_once('}').ok_or(PolicyError::Variable)?;
                match variable(inside)? {
                    Piece::Text(text) => push_text(&mut pieces, &text),
                    piece => pieces.push(piece),
                }
                rest = after;
                continue;
            }
            match character {
                '*' => pieces.push(Piece::Many),
                '?' => pieces.push(Piece::One),
                _ => push_text(&mut pieces, character.encode_utf8(&mut [0; 4])),
            }
            rest = &rest[character.len_utf8()..];
        }
        let fixed = !pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }));
        let fixed = fixed.then(|| Pattern::new(&pieces));
        Ok(Self { pieces, fixed })
    }

    /// The pattern with the variables' values in it; `None` if one has no value.
    pub(super) fn pattern(&self, lookup: &dyn Lookup) -> Option<Cow<'_, Pattern>> {
        match &self.fixed {
            Some(pattern) => Some(Cow::Borrowed(pattern)),
            None => Some(Cow::Owned(Pattern::new(&self.expand(lookup)?))),
        }
    }

    /// The text with the variables' values in it, where wildcards are just characters; `None` if one has no value.
    pub(super) fn literal(&self, lookup: &dyn Lookup) -> Option<String> {
        let mut text = String::new();
        for piece in self.expand(lookup)? {
            match piece {
                Piece::Text(piece) => text.push_str(&piece),
                Piece::One => text.push('?'),
                Piece::Many => text.push('*'),
                Piece::Variable { .. } => return None,
            }
        }
        Some(text)
    }

    /// The pattern in the six parts of an ARN, each of which matches for itself; `None` if a variable has no value.
    pub(super) fn arn_pattern(&self, lookup: &dyn Lookup) -> Option<Vec<Pattern>> {
        let mut parts = vec![Vec::new()];
        for piece in self.expand(lookup)? {
            let Piece::Text(text) = piece else {
                parts.last_mut()?.push(piece);
                continue;
            };
            let mut rest = text.as_str();
            while parts.len() < 6
                && let Some((before, after)) = rest.split_once(':')
            {
                push_text(parts.last_mut()?, before);
                parts.push(Vec::new());
                rest = after;
            }
            push_text(parts.last_mut()?, rest);
        }
        Some(parts.iter().map(|part| Pattern::new(part)).collect())
    }

    /// Whether this is one text for every request.
    pub(super) fn is_constant(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// How many `?` this has. A run with one is tried at every place of a text, so a document may have only so many.
    pub(super) fn single_wildcards(&self) -> usize {
        self.pieces.iter().filter(|piece| **piece == Piece::One).count()
    }

    /// The text before the first wildcard or variable.
    pub(super) fn constant_head(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::One | Piece::Many | Piece::Variable { .. }) | None => "",
        }
    }

    /// The condition keys of the variables, in their normal form.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key.as_str()),
            Piece::Text(_) | Piece::One | Piece::Many => None,
        })
    }

    /// What may come before and behind the first `/` that the text itself has. Variables count as `*`: nobody
    /// knows their values yet.
    pub(super) fn split_at_slash(&self) -> (Pattern, Option<Pattern>) {
        let (mut before, mut after) = (Vec::new(), None);
        for piece in &self.pieces {
            let piece = if matches!(piece, Piece::Variable { .. }) { &Piece::Many } else { piece };
            match (&mut after, piece) {
                (Some(after), piece) => Vec::push(after, piece.clone()),
                (None, Piece::Text(text)) => {
                    let (head, tail) = text.split_once('/').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
                    push_text(&mut before, head);
                    after = tail.map(|tail| vec![Piece::Text(tail.to_owned())]);
                }
                (None, piece) => before.push(piece.clone()),
            }
        }
        (Pattern::new(&before), after.map(|after| Pattern::new(&after)))
    }

    fn expand(&self, lookup: &dyn Lookup) -> Option<Vec<Piece>> {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => push_text(&mut pieces, text),
                Piece::One | Piece::Many => pieces.push(piece.clone()),
                Piece::Variable { key, default } => {
                    push_text(&mut pieces, &lookup.variable(key).or_else(|| default.clone())?);
                }
            }
        }
        Some(pieces)
    }
}

/// Reads what is inside `${` and `}`.
fn variable(inside: &str) -> Result<Piece, PolicyError> {
    if matches!(inside, "*" | "?" | "$") {
        return Ok(Piece::Text(inside.to_owned()));
    }
    let (name, default) = match inside.split_once(',') {
        Some((name, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            (name.trim(), Some(quoted.ok_or(PolicyError::Variable)?.to_owned()))
        }
        None => (inside, None),
    };
    let legal = name.contains(':') && !name.contains(['*', '?', '$', '{', ' ']);
    if legal { Ok(Piece::Variable { key: normal_key(name), default }) } else { Err(PolicyError::Variable) }
}

/// Texts side by side become one, so that a run between stars is found by one search.
fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

/// The normal form of a condition key: its name in lower case, what is behind a `/` (a tag's key) as it is.
pub(super) fn normal_key(key: &str) -> String {
    match key.split_once('/') {
        Some((name, tail)) if name.contains(':') => format!("{}/{tail}", name.to_ascii_lowercase()),
        Some(_) | None => key.to_ascii_lowercase(),
    }
}

/// Text with wildcards, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The runs between stars; `None` is a `?`. One run more than stars.
    runs: Vec<Vec<Option<String>>>,
}

impl Pattern {
    fn new(pieces: &[Piece]) -> Self {
        let mut runs = vec![Vec::new()];
        for piece in pieces {
            match (piece, runs.last_mut()) {
                (Piece::Text(text), Some(run)) => run.push(Some(text.clone())),
                (Piece::One, Some(run)) => run.push(None),
                (Piece::Many | Piece::Variable { .. }, _) | (_, None) => runs.push(Vec::new()),
            }
        }
        Self { runs }
    }

    /// Reads text with wildcards and no variables.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        for character in text.chars() {
            match character {
                '*' => pieces.push(Piece::Many),
                '?' => pieces.push(Piece::One),
                _ => push_text(&mut pieces, character.encode_utf8(&mut [0; 4])),
            }
        }
        Self::new(&pieces)
    }

    /// Whether the whole of `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (Some(first), Some(last)) = (self.runs.first(), self.runs.last()) else { return text.is_empty() };
        let Some(begin) = match_at(first, text) else { return false };
        if self.runs.len() == 1 {
            return begin == text.len();
        }
        let mut rest = &text[begin..];
        for run in &self.runs[1..self.runs.len() - 1] {
            let Some(end) = find(run, rest) else { return false };
            rest = &rest[end..];
        }
        let characters = last.iter().map(|part| part.as_ref().map_or(1, |text| text.chars().count())).sum();
        let tail = match characters {
            0 => Some(""),
            count => rest.char_indices().nth_back(count - 1).map(|(at, _)| &rest[at..]),
        };
        tail.is_some_and(|tail| match_at(last, tail) == Some(tail.len()))
    }

    /// Whether some text with a `/` could match.
    pub(super) fn may_hold_slash(&self) -> bool {
        self.runs.len() > 1 || self.runs.iter().flatten().any(|part| part.as_ref().is_none_or(|t| t.contains('/')))
    }
}

/// Bytes of `text` that a run takes from its beginning.
fn match_at(run: &[Option<String>], text: &str) -> Option<usize> {
    let mut rest = text;
    for part in run {
        rest = match part {
            Some(literal) => rest.strip_prefix(literal.as_str())?,
            None => &rest[rest.chars().next()?.len_utf8()..],
        };
    }
    Some(text.len() - rest.len())
}

/// Where the leftmost match of a run in `text` ends.
fn find(run: &[Option<String>], text: &str) -> Option<usize> {
    match run {
        [] => Some(0),
        [Some(literal)] => text.find(literal.as_str()).map(|at| at + literal.len()),
        run => text.char_indices().find_map(|(at, _)| match_at(run, &text[at..]).map(|length| at + length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::{Lookup, Pattern, Template};

    struct Fixed(&'static [(&'static str, &'static str)]);

    impl Lookup for Fixed {
        fn variable(&self, key: &str) -> Option<String> {
            self.0.iter().find(|row| row.0 == key).map(|row| row.1.to_owned())
        }
    }

    /// The definition, tried in every way.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|at| slowly(rest, &text[at..])),
            ['?', rest @ ..] => !text.is_empty() && slowly(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_equals_its_definition(pattern in "[ab*?ü]{0,9}", text in "[abü]{0,12}") {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = slowly(&letters(&pattern), &letters(&text));
            prop_assert_eq!(Pattern::parse(&pattern).matches(&text), expected);
            let template = Template::parse(&pattern, true).unwrap();
            prop_assert_eq!(template.pattern(&Fixed(&[])).unwrap().matches(&text), expected);
        }

        #[test]
        fn no_text_is_a_panic(pattern in any::<String>(), text in any::<String>()) {
            let pattern = Pattern::parse(&pattern);
            pattern.matches(&text);
            prop_assert!(Pattern::parse("*").matches(&text));
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_few() {
        let pattern = Pattern::parse(&format!("{}b", "*a".repeat(5_000)));
        let text = "a".repeat(100_000);
        for _ in 0..20 {
            assert!(!pattern.matches(&text));
        }
    }

    #[test]
    fn variables_stand_for_literal_values() {
        let facts = Fixed(&[("aws:username", "*"), ("aws:principaltag/Team", "a:b")]);
        let matches = |template: &str, text: &str| {
            let template = Template::parse(template, true).unwrap();
            template.pattern(&facts).is_some_and(|pattern| pattern.matches(text))
        };
        assert!(matches("home/${aws:username}/*", "home/*/x"));
        assert!(!matches("home/${aws:username}/*", "home/eve/x"));
        assert!(matches("${AWS:UserName}", "*"));
        assert!(matches("${aws:PrincipalTag/Team}?", "a:b!"));
        assert!(!matches("${aws:PrincipalTag/team}", "a:b"), "a tag's key has its case");
        assert!(!matches("${aws:userid}*", "x"), "a value that is absent matches nothing");
        assert!(matches("${aws:userid, 'no one'}", "no one"));
        assert!(matches("${*}${?}${$}", "*?$") && !matches("${*}", "x"));
        assert!(Template::parse("${aws:username", true).is_err() && Template::parse("${nonsense}", true).is_err());
        let old = Template::parse("${aws:username}", false).unwrap();
        assert_eq!(old.literal(&facts).unwrap(), "${aws:username}");
    }
}
