//! The one integration binary: everything here sees postern from outside its modules.

// The attribute tells clippy that these are tests, which may unwrap.
#[cfg(test)]
mod directory;
