//! An iterator from a recursion: walks a binary tree in order, and compares two trees by their
//! fringes without flattening either.
//!
//! Run with `cargo run -p dtact-switch --example tree_walk`. The walk is the recursive function
//! that one would write anyway; the coroutine turns it inside out, so that the caller asks for one
//! value after the other and may stop early.
#![allow(unsafe_code, reason = "acknowledges the contract of suspended stacks")]
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::rc::Rc;

use dtact_switch::{Coroutine, GuardedStack, StackError, Stackful, Yielder};

// SAFETY: `walk`, the one body here, uses no thread-local, and no coroutine is kept in one.
const STACKFUL: Stackful = unsafe { Stackful::acknowledge() };

/// Enough for some hundred levels; an overflow would meet the guard.
const STACK_BYTES: usize = 64 * 1024;

/// A search tree: what is left is less, what is right is more.
#[derive(Default)]
struct Tree(Option<Box<(Self, u32, Self)>>);

impl Tree {
    fn insert(&mut self, value: u32) {
        match &mut self.0 {
            None => self.0 = Some(Box::new((Self::default(), value, Self::default()))),
            Some(node) if value < node.1 => node.0.insert(value),
            Some(node) => node.2.insert(value),
        }
    }
}

impl FromIterator<u32> for Tree {
    fn from_iter<I: IntoIterator<Item = u32>>(values: I) -> Self {
        let mut tree = Self::default();
        for value in values {
            tree.insert(value);
        }
        tree
    }
}

/// Hands out the values in order.
fn walk(tree: &Tree, yielder: &Yielder<(), u32>) {
    if let Some(node) = &tree.0 {
        walk(&node.0, yielder);
        yielder.suspend(node.1);
        walk(&node.2, yielder);
    }
}

/// The values in order, one by one. The coroutine keeps the tree alive: it may not borrow it.
fn in_order(tree: &Rc<Tree>) -> Result<impl Iterator<Item = u32>, StackError> {
    let tree = Rc::clone(tree);
    let stack = GuardedStack::new(STACK_BYTES)?;
    Ok(Coroutine::with_stack(
        STACKFUL,
        stack,
        move |yielder: &Yielder<_, _>, ()| walk(&tree, yielder),
    ))
}

pub(crate) fn main() -> Result<(), StackError> {
    let one: Rc<Tree> = Rc::new([5, 2, 8, 1, 9, 3].into_iter().collect());
    let other: Rc<Tree> = Rc::new([1, 2, 3, 5, 8, 9].into_iter().collect());
    for value in in_order(&one)? {
        println!("{value}");
    }
    assert!(in_order(&one)?.is_sorted());
    assert!(in_order(&one)?.eq(in_order(&other)?), "the same values");

    // Dropped in the middle, the walk unwinds and lets go of the tree. A program that aborts on
    // panic cannot unwind: there the walk leaks.
    let least = in_order(&one)?.next();
    println!("the least is {least:?}");
    if cfg!(panic = "unwind") {
        assert_eq!(Rc::strong_count(&one), 1);
    }
    Ok(())
}
