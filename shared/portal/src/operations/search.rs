//! Finding patients. One round trip.

use crate::{
    directory::{DirectoryPlace, DirectoryRow},
    ports::{DirectoryStore, Ports, StoreError},
    scope::TenantScope,
    search::{DirectoryQuery, MOST_HITS},
};

/// A page of hits, in the order of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPage {
    /// At most [`MOST_HITS`]; fewer, or none, if the rows that were looked at are not all hits.
    pub hits: Vec<DirectoryRow>,
    /// The last row that was looked at, if there are more.
    pub next: Option<DirectoryPlace>,
}

/// Finds the practice's patients that a query asks for: the first page, or the one after a place. Changes nothing.
///
/// # Errors
/// [`StoreError`]
pub async fn search(
    ports: &Ports<'_, impl DirectoryStore>,
    scope: &TenantScope,
    query: &DirectoryQuery,
    after: Option<&DirectoryPlace>,
) -> Result<SearchPage, StoreError> {
    let most_rows = query.rows_a_page();
    // One more than is looked at tells whether there is a next page.
    let mut rows = ports.store.search(scope, query, after, most_rows + 1).await?.into_iter().peekable();
    let (mut hits, mut last) = (Vec::new(), None);
    for row in rows.by_ref().take(most_rows.into()) {
        last = Some(row.place.clone());
        if query.finds(&row) {
            hits.push(row);
        }
        if hits.len() == MOST_HITS {
            break;
        }
    }
    Ok(SearchPage { hits, next: last.filter(|_| rows.peek().is_some()) })
}
