//! The cost of invitations, of an idle month and of an attack stays within its limits.

use xtask::{cost, workspace::Workspace};

#[test]
fn the_cost_of_invitations_does_not_grow() {
    let bill = cost::bill(&Workspace::locate().unwrap(), 1_000_000).unwrap();
    assert!((5.0..14.5).contains(&bill.dollars_per_million_sent), "{}", bill.text);
    assert!((5.0..18.5).contains(&bill.dollars_per_million), "{}", bill.text);
}

#[test]
fn a_month_without_invitations_costs_three_dollars_at_most() {
    let bill = cost::bill(&Workspace::locate().unwrap(), 1_000_000).unwrap();
    assert!((2.0..=3.0).contains(&bill.idle_dollars), "{}", bill.text);
    // A web ACL, four rules, a secret.
    assert!((9.0..10.0).contains(&bill.edge_dollars), "{}", bill.text);
}

#[test]
fn a_flood_of_the_public_routes_costs_25_dollars_a_day_at_most() {
    let bill = cost::bill(&Workspace::locate().unwrap(), 1_000_000).unwrap();
    assert!((10.0..25.0).contains(&bill.flood_dollars_per_day), "{}", bill.text);
}

#[test]
fn a_bill_grows_only_with_the_number_of_invitations() {
    let workspace = Workspace::locate().unwrap();
    let (one, many) = (cost::bill(&workspace, 1_000).unwrap(), cost::bill(&workspace, 2_000_000).unwrap());
    assert!((one.dollars_per_million - many.dollars_per_million).abs() < 1e-9);
    assert!(many.text.starts_with("2000000 invitations"), "{}", many.text);
    assert!(many.text.contains("| SES outbound email | 200.00 |"), "{}", many.text);
}
