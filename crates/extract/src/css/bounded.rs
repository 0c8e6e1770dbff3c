//! The tree of a page, within the limits of the page. How long a step of the parser takes, and how
//! many nodes it makes, depends on how deep the tree is: so it gets little at a time, and in between
//! the limits are looked at.

use std::{borrow::Cow, cell::Cell};

use ego_tree::NodeId;
use html5ever::{
    Attribute, ParseOpts, QualName, parse_document,
    tendril::{StrTendril, TendrilSink},
    tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
};
use scraper::{Html, HtmlTreeSink, Node};

use crate::{error::ExtractError, items::Items, limits::Limits};

/// How much is parsed between two looks at the limits. A tag of three bytes may make as many nodes
/// as the tree is deep.
const PIECE: usize = 128;
/// A node with its links to others.
const NODE: usize = size_of::<Node>() + 5 * size_of::<usize>();
/// An attribute, or a text that is too long to be in its place.
const VALUE: usize = size_of::<(QualName, StrTendril)>() + 16;

/// The tree of a page, and how many bytes it takes. They are held.
///
/// # Errors
/// The limits `time`, `memory`, `depth` and `attributes`.
pub(super) fn tree_of(html: &str, items: &mut Items) -> Result<(Html, usize), ExtractError> {
    let tree = HtmlTreeSink::new(Html::new_document());
    let sink =
        Bounded { tree, limits: *items.limits(), bytes: Cell::new(0), exceeded: Cell::new(None) };
    let mut parser = parse_document(sink, ParseOpts::default());
    let mut left = html;
    while !left.is_empty() {
        let end = left.floor_char_boundary(PIECE.min(left.len()));
        let (piece, rest) = left.split_at(end);
        parser.process(StrTendril::from_slice(piece));
        left = rest;
        let sink = &parser.tokenizer.sink.sink;
        items.hold(sink.memory())?;
        if let Some(limit) = sink.exceeded.get() {
            return Err(items.limits().exceeded(limit));
        }
        items.check_time()?;
    }
    let bytes = parser.tokenizer.sink.sink.memory();
    Ok((parser.finish(), bytes))
}

/// Makes a tree, and counts what it takes.
struct Bounded {
    tree: HtmlTreeSink,
    limits: Limits,
    /// Of texts and attributes.
    bytes: Cell<usize>,
    exceeded: Cell<Option<&'static str>>,
}

impl Bounded {
    fn memory(&self) -> usize {
        let nodes = self.tree.0.borrow().tree.values().len();
        nodes.saturating_mul(NODE).saturating_add(self.bytes.get())
    }

    fn hold(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }

    fn hold_attributes(&self, attrs: &[Attribute]) {
        if attrs.len() > self.limits.attributes {
            self.exceeded.set(Some("attributes"));
        }
        self.hold(attrs.iter().map(|attr| VALUE + attr.value.len()).sum());
    }

    /// A node or a text gets a place inside `parent`.
    fn hold_child(&self, parent: &NodeId, child: &NodeOrText<NodeId>) {
        match child {
            NodeOrText::AppendText(text) => self.hold(text.len()),
            NodeOrText::AppendNode(_) => {
                let most = self.limits.depth;
                let html = self.tree.0.borrow();
                // The document itself is one of them.
                let depth = html
                    .tree
                    .get(*parent)
                    .map_or(0, |parent| parent.ancestors().take(most.saturating_add(1)).count());
                if depth >= most {
                    self.exceeded.set(Some("depth"));
                }
            }
        }
    }
}

impl TreeSink for Bounded {
    type Handle = NodeId;
    type Output = Html;
    type ElemName<'a> = <HtmlTreeSink as TreeSink>::ElemName<'a>;

    fn finish(self) -> Html {
        self.tree.finish()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.tree.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.tree.elem_name(target)
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.hold_attributes(&attrs);
        self.tree.create_element(name, attrs, flags)
    }

    fn create_comment(&self, _: StrTendril) -> NodeId {
        // Nobody reads it.
        self.tree.create_comment(StrTendril::new())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> NodeId {
        self.tree.create_pi(StrTendril::new(), StrTendril::new())
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.hold_child(parent, &child);
        self.tree.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &NodeId,
        prev_element: &NodeId,
        child: NodeOrText<NodeId>,
    ) {
        self.hold_child(prev_element, &child);
        self.tree.append_based_on_parent_node(element, prev_element, child);
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        self.tree.get_template_contents(target)
    }

    fn same_node(&self, x: &NodeId, y: &NodeId) -> bool {
        self.tree.same_node(x, y)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.tree.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        self.hold_child(sibling, &child);
        self.tree.append_before_sibling(sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attrs: Vec<Attribute>) {
        self.hold_attributes(&attrs);
        self.tree.add_attrs_if_missing(target, attrs);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.tree.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.tree.reparent_children(node, new_parent);
    }
}
