//! The house rules that a machine can check: which module may import which, no glob imports, and how long a
//! function and a file may be.
//!
//! The import table is read as floors: data goes one way, down. A module may import what its row names, and
//! nothing else.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may die")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::Visit;

/// Module → modules that it may import. `limits`, `types` and `telemetry` are named where they are used.
const IMPORTS: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("sync", &[]),
    ("types", &["limits"]),
    ("outbound", &[]),
    ("telemetry", &["outbound", "limits", "types"]),
    ("digest", &["types"]),
    ("cipher", &["types", "limits"]),
    ("rules", &["types", "limits"]),
    ("policy", &["types", "limits"]),
    ("config", &["limits", "types"]),
    ("guard", &["limits", "sync", "types", "telemetry"]),
    ("buffer", &["limits", "sync", "telemetry"]),
    ("auth", &["types", "limits", "digest"]),
    ("chunk", &["types", "limits", "buffer", "guard", "digest", "telemetry"]),
    ("meta", &["types", "limits", "rules", "sync", "telemetry"]),
    ("net", &["guard", "limits", "telemetry"]),
    ("identity", &["auth", "cipher", "meta", "policy", "types", "limits"]),
    ("engine", &["cipher", "chunk", "meta", "buffer", "digest", "guard", "rules", "types", "limits", "telemetry"]),
    ("notify", &["outbound", "types", "limits"]),
    ("worker", &["engine", "guard", "notify", "rules", "types", "limits", "telemetry"]),
    (
        "s3",
        &[
            "engine",
            "auth",
            "cipher",
            "identity",
            "policy",
            "rules",
            "net",
            "guard",
            "digest",
            "types",
            "limits",
            "telemetry",
        ],
    ),
    ("console", &[]),
    (
        "admin",
        &["console", "engine", "auth", "identity", "worker", "net", "guard", "rules", "types", "limits", "telemetry"],
    ),
    ("transfer", &["auth", "outbound", "policy", "types", "limits"]),
    (
        "app",
        &[
            "admin",
            "auth",
            "buffer",
            "chunk",
            "cipher",
            "config",
            "console",
            "engine",
            "guard",
            "identity",
            "limits",
            "meta",
            "net",
            "rules",
            "notify",
            "outbound",
            "s3",
            "telemetry",
            "types",
            "worker",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "admin",
            "auth",
            "buffer",
            "chunk",
            "config",
            "engine",
            "guard",
            "identity",
            "limits",
            "meta",
            "net",
            "outbound",
            "rules",
            "s3",
            "telemetry",
            "transfer",
            "types",
            "worker",
        ],
    ),
];

/// Longest function in lines, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Longest file in lines without its tests.
const FILE_LINES_MAX: usize = 500;

/// Functions and files that are longer than the rule, with the length that they may not exceed. The ratchet
/// only turns one way: an entry that could be lower fails the test too.
const RATCHET: &[(&str, usize)] = &[];

/// Functions that are one flat table and may be as long as what they list: nobody reads a table at one sitting,
/// and in two pieces the compiler could no longer tell that nothing is missing from it.
const TABLES: &[&str] = &["s3/dispatch.rs::dispatch"];

struct Source {
    path: PathBuf,
    module: String,
    syntax: syn::File,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).expect("read source directory") {
            let path = entry.expect("read directory entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).expect("below src").to_path_buf();
                let first = relative.components().next().expect("a file has a name").as_os_str().to_string_lossy();
                let module = first.trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).expect("read source file");
                let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push(Source { path: relative, module, syntax });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 50, "the walk has found the sources");
    found
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"));
        is_cfg_test || attribute.path().is_ident("test")
    })
}

/// Collects `crate::module` paths, glob imports and function lengths outside of tests.
#[derive(Default)]
struct Walk {
    imports: BTreeSet<String>,
    globs: Vec<usize>,
    functions: Vec<(String, usize)>,
    test_lines: usize,
}

impl Walk {
    fn use_tree(&mut self, tree: &syn::UseTree, path: &[String]) {
        match tree {
            syn::UseTree::Path(step) => {
                let path = [path, &[step.ident.to_string()]].concat();
                self.use_tree(&step.tree, &path);
            }
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(item, path);
                }
            }
            syn::UseTree::Glob(star) => {
                self.globs.push(star.span().start().line);
                self.import(path);
            }
            syn::UseTree::Name(name) => self.import(&[path, &[name.ident.to_string()]].concat()),
            syn::UseTree::Rename(rename) => self.import(&[path, &[rename.ident.to_string()]].concat()),
        }
    }

    fn import(&mut self, path: &[String]) {
        if let [root, module, ..] = path
            && (root == "crate" || root == "sluicegate")
        {
            self.imports.insert(module.clone());
        }
    }

    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        self.functions.push((name.to_string(), span.end().line - span.start().line + 1));
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.use_tree(&item.tree, &[]);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.import(&names);
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test_only(&item.attrs) {
            let span = item.span();
            self.test_lines += span.end().line - span.start().line + 1;
        } else {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            let end = item.block.span();
            self.function(&item.sig.ident, item.sig.span().join(end).unwrap_or(end));
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let end = item.block.span();
        self.function(&item.sig.ident, item.sig.span().join(end).unwrap_or(end));
        syn::visit::visit_impl_item_fn(self, item);
    }
}

/// Files that are compiled for tests only, by their `#[cfg(test)] mod name;` declaration or their name.
fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().expect("a file has a name").to_string_lossy();
    name == "tests"
        || name.ends_with("_tests")
        || name == "contract"
        || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn data_goes_down_the_floors() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut faults = Vec::new();
    for source in sources() {
        if matches!(source.module.as_str(), "lib" | "main") || is_test_file(&source.path) {
            continue;
        }
        let mut walk = Walk::default();
        walk.visit_file(&source.syntax);
        let Some(allowed) = table.get(source.module.as_str()) else {
            faults.push(format!("{}: module `{}` is not in the table", source.path.display(), source.module));
            continue;
        };
        for import in &walk.imports {
            if *import != source.module && !allowed.contains(&import.as_str()) {
                faults.push(format!("{}: `{}` may not import `{import}`", source.path.display(), source.module));
            }
        }
    }
    assert!(faults.is_empty(), "imports that the table does not allow:\n{}", faults.join("\n"));
}

#[test]
fn the_table_itself_has_no_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    let mut open: Vec<&(&str, &[&str])> = IMPORTS.iter().collect();
    while !open.is_empty() {
        let before = open.len();
        open.retain(|(module, imports)| {
            let ready = imports.iter().all(|import| settled.contains(import));
            if ready {
                settled.insert(module);
            }
            !ready
        });
        assert!(open.len() < before, "a circle among {:?}", open.iter().map(|row| row.0).collect::<Vec<_>>());
    }
}

#[test]
fn names_are_imported_one_by_one() {
    let mut faults = Vec::new();
    for source in sources() {
        let mut walk = Walk::default();
        walk.visit_file(&source.syntax);
        faults.extend(walk.globs.iter().map(|line| format!("{}:{line}", source.path.display())));
    }
    assert!(faults.is_empty(), "glob imports:\n{}", faults.join("\n"));
}

#[test]
fn functions_and_files_can_be_read_in_one_sitting() {
    let mut over: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        if is_test_file(&source.path) {
            continue;
        }
        let mut walk = Walk::default();
        walk.visit_file(&source.syntax);
        let file = source.path.display().to_string();
        let lines = source.syntax.span().end().line.saturating_sub(walk.test_lines);
        if lines > FILE_LINES_MAX {
            over.insert(file.clone(), lines);
        }
        for (name, lines) in walk.functions {
            let name = format!("{file}::{name}");
            if lines > FUNCTION_LINES_MAX && !TABLES.contains(&name.as_str()) {
                over.insert(name, lines);
            }
        }
    }
    let ratchet: BTreeMap<String, usize> = RATCHET.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect();
    assert_eq!(over, ratchet, "left: what is too long now; right: what the ratchet allows");
}
