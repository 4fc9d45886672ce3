//! Searches patients. One round trip.

use crate::{
    directory::{DirectoryPlace, DirectoryRow},
    ports::{DirectoryStore, Ports, StoreError},
    scope::TenantScope,
    search::{DirectoryQuery, MAX_HITS},
};

/// A page of hits, in the order of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPage {
    /// At most [`MAX_HITS`]. Fewer, or none, if some of the rows that were read are not hits.
    pub hits: Vec<DirectoryRow>,
    /// The place of the last row that was read, if there are more rows.
    pub next: Option<DirectoryPlace>,
}

/// Finds the practice's patients who match a query: the first page, or the one after a place.
///
/// # Errors
/// [`StoreError`]
pub async fn search(
    ports: &Ports<'_, impl DirectoryStore>,
    scope: &TenantScope,
    query: &DirectoryQuery,
    after: Option<&DirectoryPlace>,
) -> Result<SearchPage, StoreError> {
    let max_rows = query.rows_per_page();
    // One row more than the page shows whether there is a next page.
    let mut rows = ports.store.search(scope, query, after, max_rows + 1).await?.into_iter().peekable();
    let (mut hits, mut last) = (Vec::new(), None);
    for row in rows.by_ref().take(max_rows.into()) {
        last = Some(row.place.clone());
        if query.is_hit(&row) {
            hits.push(row);
        }
        if hits.len() == MAX_HITS {
            break;
        }
    }
    Ok(SearchPage { hits, next: last.filter(|_| rows.peek().is_some()) })
}
