//! Who has an email address. There is one entry per canonical address, across all practices.
//!
//! *The email must be unique: not associated to another patient's record, in this practice or any other.* The entry is
//! written under these conditions in the same transaction as the record. So if two patients are invited to one address at
//! the same time, exactly one invitation succeeds.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    email::EmailAddress,
    ids::{PatientId, RecordKey},
    record::{Account, Change, PortalRecord},
};

/// Maximum number of patients listed whose profile has an address. With more, the address is only marked as shared.
pub const MAX_LISTED_PROFILES: usize = 50;

/// The effect of a change on the claim of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMove {
    /// No change.
    Keep,
    /// Takes the claim, or verifies that no other patient has the address.
    Take,
    /// Releases the claim.
    Release,
}

/// The effect of a change on the list of patients whose profile has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileMove {
    /// No change.
    Keep,
    /// Adds the patient.
    Add,
    /// Removes the patient.
    Remove,
}

/// The effect of a change on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailMove<'change> {
    /// The address.
    pub email: &'change EmailAddress,
    /// The effect on its claim.
    pub claim: ClaimMove,
    /// The effect on its list of profiles.
    pub profile: ProfileMove,
}

/// The effects of a change on addresses: at most one move for each address, sorted by address.
#[must_use]
pub fn moves(change: &Change) -> Vec<EmailMove<'_>> {
    let before = change.before.as_ref();
    let (claimed_before, claimed) = (before.and_then(PortalRecord::claimed_email), change.after.claimed_email());
    let (profile_email_before, profile_email) =
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
    if profile_email_before != profile_email {
        if let Some(email) = profile_email_before {
            at(email, &|email| email.profile = ProfileMove::Remove);
        }
        if let Some(email) = profile_email {
            at(email, &|email| email.profile = ProfileMove::Add);
        }
    }
    moves.into_values().collect()
}

/// A new invitation to an address that the patient has claimed already must verify that no other profile has got the
/// address since.
fn is_new_invitation(change: &Change) -> bool {
    let id = |record: &PortalRecord| record.invitation.as_ref().map(|invitation| invitation.id.clone());
    change.after.account == Account::None && id(&change.after) != change.before.as_ref().and_then(id)
}

/// The patients who use one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailEntry {
    /// The patient who has the claim.
    pub owner: Option<RecordKey>,
    /// The patients whose profile has the address; at most [`MAX_LISTED_PROFILES`].
    pub profiles: BTreeSet<RecordKey>,
    /// Set once more profiles have had the address than can be listed. It is never reset: no patient can claim an address
    /// that so many patients share.
    pub shared: bool,
}

/// Another patient has the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailTaken {
    /// The other patient, if from the same practice. A patient of another practice is never named.
    pub holder: Option<PatientId>,
}

impl EmailEntry {
    /// Checks whether this patient may claim the address.
    ///
    /// # Errors
    /// [`EmailTaken`] if another patient has the claim, or another patient's profile has the address.
    pub fn free_for(&self, patient: &RecordKey) -> Result<(), EmailTaken> {
        let mut others = self.owner.iter().chain(&self.profiles).filter(|holder| *holder != patient).peekable();
        if others.peek().is_none() && !self.shared {
            return Ok(());
        }
        let holder = others.find(|other| other.practice == patient.practice).map(|other| other.patient.clone());
        Err(EmailTaken { holder })
    }

    /// Applies a patient's move to the entry.
    ///
    /// # Errors
    /// [`EmailTaken`] if the move takes a claim that is not free.
    pub fn apply(mut self, email: &EmailMove<'_>, patient: &RecordKey) -> Result<Self, EmailTaken> {
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
            ProfileMove::Add if self.profiles.len() >= MAX_LISTED_PROFILES => self.shared = true,
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
