//! Whose an email address is. One entry per canonical address, across all practices.
//!
//! *The email must be unique: not associated to another patient's record, in this practice or any other.* The
//! entry is written in the same transaction as the record, on these conditions, so that of two patients invited
//! at once to one address exactly one is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    email::EmailAddress,
    ids::{PatientId, RecordKey},
    record::{Account, Change, PortalRecord},
};

/// Patients whose profile carries an address are listed up to this many; beyond, the address only counts as shared.
pub const MOST_HOLDERS: usize = 50;

/// What a change does to the claim of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMove {
    /// Nothing.
    Keep,
    /// Takes it, or makes sure that it is still this patient's alone.
    Take,
    /// Gives it up.
    Release,
}

/// What a change does to the list of patients whose profile carries an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileMove {
    /// Nothing.
    Keep,
    /// Adds the patient.
    Add,
    /// Removes the patient.
    Remove,
}

/// Everything that a change does to one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailMove<'change> {
    /// Which address.
    pub email: &'change EmailAddress,
    /// To its claim.
    pub claim: ClaimMove,
    /// To its list of profiles.
    pub profile: ProfileMove,
}

/// What a change does to the addresses it touches: at most one move for each, in order of address.
#[must_use]
pub fn moves(change: &Change) -> Vec<EmailMove<'_>> {
    let before = change.before.as_ref();
    let (claimed_before, claimed) = (before.and_then(PortalRecord::claimed_email), change.after.claimed_email());
    let (carried_before, carried) =
        (before.and_then(|record| record.profile.email.as_ref()), change.after.profile.email.as_ref());

    let mut moves = BTreeMap::new();
    let mut at = |email, apply: &dyn Fn(&mut EmailMove<'_>)| {
        apply(moves.entry(email).or_insert(EmailMove { email, claim: ClaimMove::Keep, profile: ProfileMove::Keep }));
    };
    if let Some(email) = claimed_before.filter(|_| claimed_before != claimed) {
        at(email, &|email| email.claim = ClaimMove::Release);
    }
    if let Some(email) = claimed.filter(|_| claimed_before != claimed || is_new_invitation(change)) {
        at(email, &|email| email.claim = ClaimMove::Take);
    }
    if carried_before != carried {
        if let Some(email) = carried_before {
            at(email, &|email| email.profile = ProfileMove::Remove);
        }
        if let Some(email) = carried {
            at(email, &|email| email.profile = ProfileMove::Add);
        }
    }
    moves.into_values().collect()
}

/// An invitation to an address that is claimed already must make sure that no other profile has come to carry it.
fn is_new_invitation(change: &Change) -> bool {
    let id = |record: &PortalRecord| record.invitation.as_ref().map(|invitation| invitation.id.clone());
    change.after.account == Account::None && id(&change.after) != change.before.as_ref().and_then(id)
}

/// Who has to do with one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailEntry {
    /// Who holds the claim.
    pub owner: Option<RecordKey>,
    /// Whose profile carries the address; at most [`MOST_HOLDERS`].
    pub profiles: BTreeSet<RecordKey>,
    /// More profiles than could be listed have carried it. Stays: an address of so many people is nobody's.
    pub shared: bool,
}

/// The address is another patient's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailTaken {
    /// The other patient, if of the asking practice: no other practice's patient is ever named.
    pub holder: Option<PatientId>,
}

impl EmailEntry {
    /// Whether this patient may hold the claim.
    ///
    /// # Errors
    /// [`EmailTaken`] if another patient holds it or another patient's profile carries the address.
    pub fn free_for(&self, patient: &RecordKey) -> Result<(), EmailTaken> {
        let mut others = self.owner.iter().chain(&self.profiles).filter(|holder| *holder != patient).peekable();
        if others.peek().is_none() && !self.shared {
            return Ok(());
        }
        let holder = others.find(|other| other.practice == patient.practice).map(|other| other.patient.clone());
        Err(EmailTaken { holder })
    }

    /// The entry after a patient's move.
    ///
    /// # Errors
    /// [`EmailTaken`] if it takes a claim that is not free.
    pub fn after(mut self, email: &EmailMove<'_>, patient: &RecordKey) -> Result<Self, EmailTaken> {
        match email.claim {
            ClaimMove::Keep => {}
            ClaimMove::Take => {
                self.free_for(patient)?;
                self.owner = Some(patient.clone());
            }
            ClaimMove::Release => self.owner = self.owner.filter(|owner| owner != patient),
        }
        match email.profile {
            ProfileMove::Keep => {}
            ProfileMove::Add if self.profiles.len() >= MOST_HOLDERS => self.shared = true,
            ProfileMove::Add => {
                self.profiles.insert(patient.clone());
            }
            ProfileMove::Remove => {
                self.profiles.remove(patient);
            }
        }
        Ok(self)
    }
}
