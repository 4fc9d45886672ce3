//! What must not compile: reaching a practice's records without the scope that verified claims give.
//!
//! Each file of `without_scope/` is compiled as a crate of its own that depends on this one, and must be refused with the
//! words beside it. `TRYBUILD=overwrite` writes those words anew; read them before they are kept.

#[test]
fn no_store_is_reached_without_a_scope() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/without_scope/with_scope.rs");
    cases.compile_fail("tests/without_scope/refused_*.rs");
}
