//! Below a module with a condition.

#[dtact::export_fiber]
fn below() -> bool {
    true
}
