//! Its own folder.

mod below;

mod inline {
    #[cfg(feature = "slow")]
    mod deeper;
}
