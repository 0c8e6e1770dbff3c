//! [pure] What is known of elements of HTML by their names.

/// Elements whose text is not markup, has no entities, and is not shown.
pub(super) const RAW: [&str; 7] =
    ["script", "style", "noscript", "iframe", "xmp", "noembed", "noframes"];
/// Elements whose end tag may be left out: the next one of their kind ends them.
pub(super) const MAY_STAY_OPEN: [&str; 12] =
    ["tr", "li", "td", "th", "dt", "dd", "p", "option", "optgroup", "tbody", "thead", "tfoot"];
/// Elements inside which others of a kind begin anew.
pub(super) const CONTAINERS: [&str; 7] = ["table", "ul", "ol", "menu", "dl", "select", "datalist"];
/// Elements whose text is a word of its own.
pub(super) const BLOCKS: [&str; 26] = [
    "br",
    "p",
    "div",
    "li",
    "tr",
    "td",
    "th",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "dt",
    "dd",
    "hr",
    "pre",
    "section",
    "article",
    "header",
    "footer",
    "ul",
    "ol",
    "dl",
    "table",
    "blockquote",
];
