//! Links between pages: the file is there, and so is the heading.

use super::{beside, pages, read, root};

/// The targets of links in a text, code aside.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let mut rest = if is_code { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let Some((link, after)) = after.split_once(')') else { break };
            found.push(link.to_owned());
            rest = after;
        }
    }
    found
}

/// The anchors that headings get.
fn anchors(text: &str) -> Vec<String> {
    let headings =
        text.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    let mut count = 0;
    for page in pages() {
        for link in links(&read(&page)) {
            if link.starts_with("http") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone().into() } else { beside(&page, file) };
            if !root().join(&target).exists() {
                faults.push(format!("{page}: {link}: there is no such file"));
            } else if !anchor.is_empty() && !anchors(&read(target.to_str().unwrap())).contains(&anchor.to_owned()) {
                faults.push(format!("{page}: {link}: there is no such heading"));
            }
        }
    }
    assert!(count > 100, "{count} links");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_index() {
    let mut reached = vec!["README.md".to_owned(), "docs/README.md".to_owned()];
    let mut next = 0;
    while let Some(page) = reached.get(next).cloned() {
        next += 1;
        for link in links(&read(&page)) {
            let file = link.split('#').next().unwrap();
            if file.ends_with(".md") && !file.starts_with("http") {
                let target = beside(&page, file).to_str().unwrap().to_owned();
                if !reached.contains(&target) {
                    reached.push(target);
                }
            }
        }
    }
    let lost: Vec<_> = pages().into_iter().filter(|page| !reached.contains(page)).collect();
    assert!(lost.is_empty(), "nobody links to {lost:?}");
}
