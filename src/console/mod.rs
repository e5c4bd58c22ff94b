//! The web console: pages, style and scripts that are part of the binary.
//!
//! Owns the files and what a browser may do with them. Knows neither HTTP nor the API that the scripts speak:
//! `admin` answers with these bytes.

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// What a browser may do on the console's pages. Scripts and styles come from files of this server only, so that no
/// stored name, even if it were taken for markup, could run; pictures and media may also be objects that were read
/// into the page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
    object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The file at `path`, which is what follows `/console/`; the page itself for an empty one.
pub fn asset(path: &str) -> Option<Asset> {
    let path = if path.is_empty() { "index.html" } else { path };
    let (_, content_type, bytes) = FILES.iter().find(|(name, ..)| *name == path)?;
    Some(Asset { content_type, bytes })
}

/// Every file: its path below `assets`, its media type, its bytes.
const FILES: &[(&str, &str, &[u8])] = &[
    ("index.html", HTML, include_bytes!("assets/index.html")),
    ("icon.svg", SVG, include_bytes!("assets/icon.svg")),
    ("css/base.css", CSS, include_bytes!("assets/css/base.css")),
    ("css/forms.css", CSS, include_bytes!("assets/css/forms.css")),
    ("css/narrow.css", CSS, include_bytes!("assets/css/narrow.css")),
    ("css/pages.css", CSS, include_bytes!("assets/css/pages.css")),
    ("css/parts.css", CSS, include_bytes!("assets/css/parts.css")),
    ("js/api.js", SCRIPT, include_bytes!("assets/js/api.js")),
    ("js/bulk.js", SCRIPT, include_bytes!("assets/js/bulk.js")),
    ("js/chart.js", SCRIPT, include_bytes!("assets/js/chart.js")),
    ("js/dom.js", SCRIPT, include_bytes!("assets/js/dom.js")),
    ("js/files.js", SCRIPT, include_bytes!("assets/js/files.js")),
    ("js/first-steps.js", SCRIPT, include_bytes!("assets/js/first-steps.js")),
    ("js/format.js", SCRIPT, include_bytes!("assets/js/format.js")),
    ("js/forms.js", SCRIPT, include_bytes!("assets/js/forms.js")),
    ("js/frame.js", SCRIPT, include_bytes!("assets/js/frame.js")),
    ("js/key-parts.js", SCRIPT, include_bytes!("assets/js/key-parts.js")),
    ("js/main.js", SCRIPT, include_bytes!("assets/js/main.js")),
    ("js/presets.js", SCRIPT, include_bytes!("assets/js/presets.js")),
    ("js/preview.js", SCRIPT, include_bytes!("assets/js/preview.js")),
    ("js/s3.js", SCRIPT, include_bytes!("assets/js/s3.js")),
    ("js/sha256.js", SCRIPT, include_bytes!("assets/js/sha256.js")),
    ("js/theme.js", SCRIPT, include_bytes!("assets/js/theme.js")),
    ("js/upload-memory.js", SCRIPT, include_bytes!("assets/js/upload-memory.js")),
    ("js/upload-panel.js", SCRIPT, include_bytes!("assets/js/upload-panel.js")),
    ("js/upload.js", SCRIPT, include_bytes!("assets/js/upload.js")),
    ("js/xml.js", SCRIPT, include_bytes!("assets/js/xml.js")),
    ("js/pages/browser.js", SCRIPT, include_bytes!("assets/js/pages/browser.js")),
    ("js/pages/buckets.js", SCRIPT, include_bytes!("assets/js/pages/buckets.js")),
    ("js/pages/bulk.js", SCRIPT, include_bytes!("assets/js/pages/bulk.js")),
    ("js/pages/jobs.js", SCRIPT, include_bytes!("assets/js/pages/jobs.js")),
    ("js/pages/key.js", SCRIPT, include_bytes!("assets/js/pages/key.js")),
    ("js/pages/keys.js", SCRIPT, include_bytes!("assets/js/pages/keys.js")),
    ("js/pages/logs.js", SCRIPT, include_bytes!("assets/js/pages/logs.js")),
    ("js/pages/object-edit.js", SCRIPT, include_bytes!("assets/js/pages/object-edit.js")),
    ("js/pages/object.js", SCRIPT, include_bytes!("assets/js/pages/object.js")),
    ("js/pages/overview.js", SCRIPT, include_bytes!("assets/js/pages/overview.js")),
    ("js/pages/request.js", SCRIPT, include_bytes!("assets/js/pages/request.js")),
    ("js/pages/settings-access.js", SCRIPT, include_bytes!("assets/js/pages/settings-access.js")),
    ("js/pages/settings-lifecycle.js", SCRIPT, include_bytes!("assets/js/pages/settings-lifecycle.js")),
    ("js/pages/settings-protection.js", SCRIPT, include_bytes!("assets/js/pages/settings-protection.js")),
    ("js/pages/settings.js", SCRIPT, include_bytes!("assets/js/pages/settings.js")),
    ("js/pages/sign-in.js", SCRIPT, include_bytes!("assets/js/pages/sign-in.js")),
    ("js/pages/uploads.js", SCRIPT, include_bytes!("assets/js/pages/uploads.js")),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{FILES, asset};

    const LINES_MAX: usize = 500;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/assets")
    }

    fn on_disk() -> BTreeSet<String> {
        let (root, mut pending, mut found) = (root(), vec![root()], BTreeSet::new());
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else {
                    found.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found
    }

    fn texts() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().map(|(name, _, bytes)| (*name, std::str::from_utf8(bytes).expect("assets are text")))
    }

    #[test]
    fn every_file_is_embedded_and_only_those() {
        let embedded: BTreeSet<String> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(embedded, on_disk());
        assert_eq!(embedded.len(), FILES.len(), "no file is named twice");
    }

    #[test]
    fn paths_are_exact() {
        assert!(asset("").unwrap().bytes.starts_with(b"<!doctype html>"));
        assert_eq!(asset("js/main.js").unwrap().content_type, "text/javascript; charset=utf-8");
        for path in ["js", "js/", "/js/main.js", "../mod.rs", "js/../index.html", "INDEX.HTML"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn files_can_be_read_in_one_sitting_and_say_what_they_own() {
        for (name, text) in texts() {
            assert!(text.lines().count() <= LINES_MAX, "{name} is too long");
            if name.ends_with(".js") {
                assert!(text.starts_with("// "), "{name} begins with what it owns");
            }
        }
    }

    /// The policy would refuse it in a browser, one page at a time; here it is refused at once.
    #[test]
    fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
        let page = texts().find(|(name, _)| *name == "index.html").unwrap().1;
        assert!(
            page.matches("<script").count()
                == page.matches("<script src=").count() + page.matches("<script type=\"module\" src=").count()
        );
        for banned in ["<style", " style=", " onclick", " onload", "javascript:", "http://", "https://"] {
            assert!(!page.contains(banned), "index.html has {banned}");
        }
        for (name, text) in texts().filter(|(name, _)| name.ends_with(".js")) {
            // The ways in which a text could become markup or code.
            for banned in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "createContextualFragment",
                "eval(",
                "new Function",
                "srcdoc",
                "setAttribute(\"style\"",
            ] {
                assert!(!text.contains(banned), "{name} uses {banned}");
            }
        }
    }
}
