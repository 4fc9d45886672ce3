//! Code that must not compile: access to a practice's records without the scope of verified claims.
//!
//! Each file of `without_scope/` is compiled as a separate crate. The compiler must refuse it with the message in the file
//! `.stderr`. `TRYBUILD=overwrite` rewrites these files; review them before you commit them.

#[test]
fn no_store_is_reached_without_a_scope() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/without_scope/with_scope.rs");
    cases.compile_fail("tests/without_scope/refused_*.rs");
}
