//! The cost of invitations stays within its limits.

use xtask::{cost, workspace::Workspace};

#[test]
fn the_cost_of_invitations_does_not_grow() {
    let bill = cost::bill(&Workspace::locate().unwrap(), 1_000_000).unwrap();
    assert!((5.0..14.5).contains(&bill.dollars_per_million_sent), "{}", bill.text);
    assert!((5.0..18.5).contains(&bill.dollars_per_million), "{}", bill.text);
    assert!((1.0..5.0).contains(&bill.standing_dollars), "{}", bill.text);
}

#[test]
fn a_bill_grows_only_with_the_number_of_invitations() {
    let workspace = Workspace::locate().unwrap();
    let (one, many) = (cost::bill(&workspace, 1_000).unwrap(), cost::bill(&workspace, 2_000_000).unwrap());
    assert!((one.dollars_per_million - many.dollars_per_million).abs() < 1e-9);
    assert!(many.text.starts_with("2000000 invitations"), "{}", many.text);
    assert!(many.text.contains("| SES outbound email | 200.00 |"), "{}", many.text);
}
