//! What the rules need to know of a Markdown page: its links, its code spans and its anchors.

/// One reference of a page to something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    /// The target of a link, as written.
    Link(&'a str),
    /// Text between backticks.
    Code(&'a str),
}

/// All references outside of code blocks, with their lines from 1.
pub(super) fn references(text: &str) -> Vec<(usize, Reference<'_>)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line;
        if let Some((label, target)) = line.trim_start().split_once("]: ")
            && label.starts_with('[')
            && !label.starts_with("[^")
        {
            found.push((number, Reference::Link(destination(target))));
            continue;
        }
        while let Some(at) = rest.find(['`', ']']) {
            let after = &rest[at..];
            if let Some((span, after)) = code_span(after) {
                found.push((number, Reference::Code(span)));
                rest = after;
            } else if let Some(target) = after.strip_prefix("](") {
                let end = target.find(')').unwrap_or(target.len());
                found.push((number, Reference::Link(destination(&target[..end]))));
                rest = &target[end..];
            } else {
                rest = &after[1..];
            }
        }
    }
    found
}

/// The anchors of the headings, as the usual renderers make them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let mut plain = String::new();
        for letter in without_targets(heading.trim()).to_lowercase().chars() {
            match letter {
                ' ' => plain.push('-'),
                '-' | '_' => plain.push(letter),
                letter if letter.is_alphanumeric() => plain.push(letter),
                _ => {}
            }
        }
        let same = anchors
            .iter()
            .filter(|anchor| anchor.as_str() == plain)
            .count();
        let repeated = (1..).map(|number| format!("{plain}-{number}"));
        let free = repeated
            .skip(same.saturating_sub(1))
            .find(|name| !anchors.contains(name));
        anchors.push(if same == 0 {
            plain
        } else {
            free.unwrap_or_default()
        });
    }
    anchors
}

/// The lines that are not in a fenced block of code, with their numbers from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return true,
            _ => {}
        }
        false
    })
}

/// The inside of a code span that begins here, and what follows it.
fn code_span(text: &str) -> Option<(&str, &str)> {
    let ticks = text.bytes().take_while(|byte| *byte == b'`').count();
    let (mark, rest) = text.split_at(ticks);
    if ticks == 0 {
        return None;
    }
    rest.split_once(mark)
}

/// A link's target without its title.
fn destination(target: &str) -> &str {
    let target = target.split_whitespace().next().unwrap_or_default();
    target.trim_start_matches('<').trim_end_matches('>')
}

/// A heading with the targets of its links taken out.
fn without_targets(heading: &str) -> String {
    let mut plain = String::new();
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_code_spans_are_found() {
        let text =
            "A [page](a.md \"title\") and ![picture](b.svg), `c/d`.\n\n[e]: <f.md>\n[^1]: g\n";
        let expected = [
            (1, Reference::Link("a.md")),
            (1, Reference::Link("b.svg")),
            (1, Reference::Code("c/d")),
            (3, Reference::Link("f.md")),
        ];
        assert_eq!(references(text), expected);
    }

    #[test]
    fn a_link_in_code_is_no_link() {
        assert_eq!(references("`[a](b)`"), [(1, Reference::Code("[a](b)"))]);
        assert!(references("```text\n[a](b)\n```\n").is_empty());
        assert_eq!(references("[`a`](b)").len(), 2);
        assert_eq!(
            references("~~~\n```\n[a](b)\n~~~\n[c](d)"),
            [(5, Reference::Link("d"))]
        );
    }

    #[test]
    fn what_is_not_closed_does_no_harm() {
        assert!(references("`a").is_empty());
        assert_eq!(references("[a](b"), [(1, Reference::Link("b"))]);
        assert!(references("a] b").is_empty());
    }

    #[test]
    fn headings_have_anchors() {
        let text =
            "# The `C` ABI: why?\n#no\n## [A page](b.md)\n## A page\n```\n# c\n```\n## A page\n";
        assert_eq!(
            anchors(text),
            ["the-c-abi-why", "a-page", "a-page-1", "a-page-2"]
        );
    }
}
