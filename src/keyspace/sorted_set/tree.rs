//! A counted B+ tree of members by score, shared between versions like the tables are: a clone
//! costs one reference count, and a write after it copies one path.
//!
//! Each child is known with the number of its elements, so that ranks cost a walk from the root.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::keyspace::Key;

/// Most elements of a leaf.
const LEAF_MAX: usize = 64;
/// Most children of a branch.
const BRANCH_MAX: usize = 32;

/// A member and its score, which is never NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// The score.
    pub score: f64,
    /// The member.
    pub member: Key,
}

impl Element {
    /// By score, then by the bytes of the member; 0 and -0 are the same score.
    pub fn order(&self, score: f64, member: &[u8]) -> Ordering {
        let by_score = self.score.partial_cmp(&score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.member.as_bytes().cmp(member))
    }
}

/// Elements in order.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Arc<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Vec<Element>),
    Branch(Vec<Child>),
}

#[derive(Debug, Clone)]
struct Child {
    /// Elements below.
    len: usize,
    /// No element below comes before it; it need not be there any more.
    low: Element,
    node: Arc<Node>,
}

impl Tree {
    /// No elements.
    pub fn new() -> Self {
        Tree { root: Arc::new(Node::Leaf(Vec::new())) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Adds an element that is not there.
    pub fn insert(&mut self, element: Element) {
        if let Some(right) = Arc::make_mut(&mut self.root).insert(element) {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            let children = [left, Arc::new(right)].into_iter().map(Child::over).collect();
            self.root = Arc::new(Node::Branch(children));
        }
    }

    /// Takes out an element that is there.
    pub fn remove(&mut self, score: f64, member: &[u8]) {
        Arc::make_mut(&mut self.root).remove(score, member);
        while let Node::Branch(children) = &*self.root
            && let [only] = children.as_slice()
        {
            self.root = Arc::clone(&only.node);
        }
    }

    /// Number of elements at the beginning for which `before` holds; it must hold for no element
    /// after one for which it does not.
    pub fn partition_point(&self, mut before: impl FnMut(&Element) -> bool) -> usize {
        let mut passed = 0;
        let mut node = &self.root;
        loop {
            match &**node {
                Node::Leaf(elements) => return passed + elements.partition_point(before),
                Node::Branch(children) => {
                    let at = children.partition_point(|child| before(&child.low));
                    let Some(at) = at.checked_sub(1) else {
                        return passed;
                    };
                    passed += children[..at].iter().map(|child| child.len).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// Elements from `rank` on.
    pub fn walk(&self, rank: usize) -> Walk<'_> {
        let mut walk = Walk { stack: Vec::new() };
        let (mut rank, mut node) = (rank, &self.root);
        loop {
            match &**node {
                Node::Leaf(elements) => {
                    walk.stack.push((node, rank.min(elements.len())));
                    return walk;
                }
                Node::Branch(children) => {
                    let mut at = 0;
                    while at + 1 < children.len() && rank >= children[at].len {
                        rank -= children[at].len;
                        at += 1;
                    }
                    walk.stack.push((node, at + 1));
                    node = &children[at].node;
                }
            }
        }
    }

    /// The element at `rank`.
    pub fn at(&self, rank: usize) -> Option<&Element> {
        self.walk(rank).next()
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Branch(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    /// Number of elements or children of its own.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Branch(children) => children.len(),
        }
    }

    fn low(&self) -> &Element {
        match self {
            Node::Leaf(elements) => &elements[0],
            Node::Branch(children) => &children[0].low,
        }
    }

    /// Adds an element; the right half of this node if it became too wide.
    fn insert(&mut self, element: Element) -> Option<Node> {
        match self {
            Node::Leaf(elements) => {
                let at = elements.partition_point(|other| {
                    other.order(element.score, &element.member) == Ordering::Less
                });
                elements.insert(at, element);
                // In ascending order, as a load inserts, full leaves stay behind.
                let cut = if at + 1 == elements.len() { LEAF_MAX - 4 } else { LEAF_MAX / 2 };
                (elements.len() > LEAF_MAX).then(|| Node::Leaf(elements.split_off(cut)))
            }
            Node::Branch(children) => {
                let at = child_of(children, element.score, &element.member);
                let child = &mut children[at];
                if child.low.order(element.score, &element.member) == Ordering::Greater {
                    child.low = element.clone();
                }
                child.len += 1;
                if let Some(right) = Arc::make_mut(&mut child.node).insert(element) {
                    let right = Child::over(Arc::new(right));
                    child.len -= right.len;
                    children.insert(at + 1, right);
                }
                let cut = BRANCH_MAX / 2;
                (children.len() > BRANCH_MAX).then(|| Node::Branch(children.split_off(cut)))
            }
        }
    }

    fn remove(&mut self, score: f64, member: &[u8]) {
        match self {
            Node::Leaf(elements) => {
                let at =
                    elements.partition_point(|other| other.order(score, member) == Ordering::Less);
                elements.remove(at);
            }
            Node::Branch(children) => {
                let at = child_of(children, score, member);
                let child = &mut children[at];
                Arc::make_mut(&mut child.node).remove(score, member);
                child.len -= 1;
                if child.len == 0 && children.len() > 1 {
                    children.remove(at);
                } else {
                    merge(children, at);
                }
            }
        }
    }
}

/// The child that an element belongs to.
fn child_of(children: &[Child], score: f64, member: &[u8]) -> usize {
    let after =
        children.partition_point(|child| child.low.order(score, member) != Ordering::Greater);
    after.saturating_sub(1)
}

/// Joins the child at `at` with a neighbour if both together are no more than half full.
fn merge(children: &mut Vec<Child>, at: usize) {
    let left = if at + 1 < children.len() { at } else { at.saturating_sub(1) };
    let Some(right) = children.get(left + 1) else {
        return;
    };
    let max = match &*right.node {
        Node::Leaf(_) => LEAF_MAX,
        Node::Branch(_) => BRANCH_MAX,
    };
    if children[left].node.width() + right.node.width() > max / 2 {
        return;
    }
    let right = children.remove(left + 1);
    let child = &mut children[left];
    child.len += right.len;
    match (Arc::make_mut(&mut child.node), Arc::unwrap_or_clone(right.node)) {
        (Node::Leaf(mine), Node::Leaf(theirs)) => mine.extend(theirs),
        (Node::Branch(mine), Node::Branch(theirs)) => mine.extend(theirs),
        _ => unreachable!("all leaves are equally deep"),
    }
}

impl Child {
    fn over(node: Arc<Node>) -> Child {
        Child { len: node.len(), low: node.low().clone(), node }
    }
}

/// Elements in order.
#[derive(Debug)]
pub struct Walk<'a> {
    /// From the root down, each with what to visit next in it.
    stack: Vec<(&'a Arc<Node>, usize)>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Element;

    fn next(&mut self) -> Option<&'a Element> {
        loop {
            let (node, at) = self.stack.last_mut()?;
            let here = *at;
            *at += 1;
            match &***node {
                Node::Leaf(elements) => match elements.get(here) {
                    Some(element) => return Some(element),
                    None => self.stack.pop(),
                },
                Node::Branch(children) => match children.get(here) {
                    Some(child) => {
                        self.stack.push((&child.node, 0));
                        None
                    }
                    None => self.stack.pop(),
                },
            };
        }
    }
}
