//! Who has an email address. There is one entry per canonical address across all practices, and one per address and practice
//! for the profiles of that practice.
//!
//! *The email must be unique: not associated to another patient's record, in this practice or any other.* An address is
//! associated to the patient who holds its claim, in any practice, and within a practice to every patient whose profile has
//! it. Profiles do not count in other practices, because a profile is an unproven statement: `docs/adr/0002`.
//!
//! A store writes the entries under the condition that they are still as they were read, in the same transaction as the
//! record. So if two patients are invited to one address at the same time, exactly one invitation succeeds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use crate::{
    email::EmailAddress,
    ids::{PatientId, PracticeId, RecordKey},
    policy::{
        ADDRESS_COOLDOWN, ADDRESS_LEASE, MAIL_WINDOW, MAX_ADDRESS_MAILS, MAX_ADDRESS_REFUSALS, RESERVED_ADDRESS_MAILS,
        WRONG_PERSON_MEMORY, round_up_to_secs,
    },
    record::{Account, Change, InvitationState, PortalRecord},
    states::RevokeReason,
    timeline::Role,
};

/// Maximum number of patients listed whose profile has an address. More are only counted.
pub const MAX_LISTED_PROFILES: usize = 50;

/// The effect of a change on the claim of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMove {
    /// No change.
    Keep,
    /// An invitation takes the claim until the practice's term ends, or keeps its own.
    Lease,
    /// An account takes the claim without end.
    Take,
    /// A registration makes the patient's claim permanent.
    Settle,
    /// Releases the claim.
    Release {
        /// The holder of the link said that the invitation is not for them.
        wrong_person: bool,
    },
}

/// The effect of a change on one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClaimEffect {
    claim: ClaimMove,
    /// Number of mails that the change causes to this address.
    mails: usize,
}

/// The effect of a change on the profiles of the practice that have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProfileMove {
    Add,
    Remove,
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressRefusal {
    /// Another patient has the address.
    InUse {
        /// The other patient, if from the same practice. A patient of another practice is never named.
        holder: Option<PatientId>,
    },
    /// Its reader told this practice that they are not the patient.
    Suppressed,
    /// Too many mails went to this address, from all practices together.
    TooManyMails {
        /// Whole seconds until the next mail is allowed.
        retry_after_secs: u64,
    },
    /// Too many addresses were refused to this practice today, so all new ones are.
    TooManyRefusals {
        /// Whole seconds until the day is over.
        retry_after_secs: u64,
    },
}

/// The claim of one address, across all practices. It keeps nothing that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailEntry {
    /// The patient who holds the claim.
    pub owner: Option<RecordKey>,
    /// When the claim lapses; `None` for an account's, which has no end. A lapsed claim still holds while no other patient
    /// is invited to the address.
    pub until: Option<DateTime<Utc>>,
    /// When each practice's term ends. A term begins with the practice's first invitation to this address. Inviting again
    /// does not renew it, so no practice can hold an address for ever.
    pub terms: BTreeMap<PracticeId, DateTime<Utc>>,
    /// The mails to this address within [`MAIL_WINDOW`], by practice, each oldest first.
    pub mails: BTreeMap<PracticeId, Vec<DateTime<Utc>>>,
    /// The practices that were told that the address is not their patient's, and when.
    pub wrong_person: BTreeMap<PracticeId, DateTime<Utc>>,
}

/// The patients of one practice whose profile has an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileEntry {
    /// At most [`MAX_LISTED_PROFILES`] of them.
    pub listed: BTreeSet<PatientId>,
    /// The number of the others.
    pub unlisted: u32,
}

/// The number of addresses that were refused to a practice on one day (UTC), because of other practices' patients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalBudget {
    /// The day.
    pub day: NaiveDate,
    /// The number of refusals.
    pub refusals: u32,
}

/// The entries that a change touches. A missing entry is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressBook {
    /// By address, across all practices.
    pub claims: BTreeMap<EmailAddress, EmailEntry>,
    /// By address, of the change's practice.
    pub profiles: BTreeMap<EmailAddress, ProfileEntry>,
    /// Of the change's practice.
    pub budget: Option<RefusalBudget>,
}

/// A change is refused because of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub refusal: AddressRefusal,
    /// The practice's budget after this refusal, if the refusal tells something about another practice. It must be stored
    /// before the refusal is answered.
    pub budget: Option<RefusalBudget>,
}

impl From<AddressRefusal> for Refused {
    fn from(refusal: AddressRefusal) -> Self {
        Self { refusal, budget: None }
    }
}

impl AddressBook {
    /// The empty entries that a change touches: what a store has to read before it writes the change.
    #[must_use]
    pub fn touched_by(change: &Change) -> Self {
        let effects = claim_effects(change);
        let takes = |effect: &ClaimEffect| matches!(effect.claim, ClaimMove::Lease | ClaimMove::Take);
        let wanted = effects.iter().filter(|(_, effect)| takes(effect)).map(|(email, _)| *email);
        let profiles = profile_moves(change).into_keys().chain(wanted);
        Self {
            profiles: profiles.map(|email| (email.clone(), ProfileEntry::default())).collect(),
            budget: effects.values().any(takes).then(RefusalBudget::default),
            claims: effects.into_keys().map(|email| (email.clone(), EmailEntry::default())).collect(),
        }
    }

    /// Whether the change touches no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.profiles.is_empty()
    }

    /// The entries after a change.
    ///
    /// # Errors
    /// [`Refused`] if the change needs an address that it cannot have.
    pub fn after(&self, change: &Change) -> Result<Self, Refused> {
        let (patient, context) = (&change.after.key, &change.event.context);
        let mut after = self.clone();
        for (email, effect) in claim_effects(change) {
            let entry = self.claims.get(email).cloned().unwrap_or_default();
            if matches!(effect.claim, ClaimMove::Lease | ClaimMove::Take) && entry.owner.as_ref() != Some(patient) {
                self.check_free(&entry, email, change)?;
            }
            after.claims.insert(email.clone(), entry.after(effect, patient, context.at)?);
        }
        for (email, profile) in profile_moves(change) {
            let entry = self.profiles.get(email).cloned().unwrap_or_default();
            after.profiles.insert(email.clone(), entry.after(profile, &patient.patient));
        }
        Ok(after)
    }

    /// Checks whether a patient who does not hold the address may get it.
    fn check_free(&self, entry: &EmailEntry, email: &EmailAddress, change: &Change) -> Result<(), Refused> {
        let (patient, context) = (&change.after.key, &change.event.context);
        let (role, now) = (context.actor.role, context.at);
        let budget = self.budget.unwrap_or_default();
        // Customer Care decides about addresses of all practices. The others repeat what staff have asked before.
        let limited = role == Role::Staff;
        if limited && !entry.terms.contains_key(&patient.practice) && budget.is_used_up(now) {
            let retry_after_secs = RefusalBudget::retry_after_secs(now);
            return Err(AddressRefusal::TooManyRefusals { retry_after_secs }.into());
        }
        let own_profile = change.after.profile.email.as_ref() == Some(email);
        if let Some(profiles) = self.profiles.get(email) {
            profiles.free_for(&patient.patient, own_profile).map_err(|holder| AddressRefusal::InUse { holder })?;
        }
        if entry.is_available(&patient.practice, now) {
            return Ok(());
        }
        let holder = entry.owner.as_ref().filter(|owner| owner.practice == patient.practice);
        let holder = holder.map(|owner| owner.patient.clone());
        let counted = limited && holder.is_none();
        Err(Refused { refusal: AddressRefusal::InUse { holder }, budget: counted.then(|| budget.with_refusal(now)) })
    }
}

impl EmailEntry {
    /// Whether a patient of this practice who is not the owner may take the claim. A practice whose own term has ended
    /// takes no claim from another patient until [`ADDRESS_COOLDOWN`] later.
    fn is_available(&self, practice: &PracticeId, now: DateTime<Utc>) -> bool {
        if self.owner.is_none() {
            return true;
        }
        let lapsed = self.until.is_some_and(|until| until <= now);
        let cooling_down = self.terms.get(practice).is_some_and(|end| *end <= now && now < *end + ADDRESS_COOLDOWN);
        lapsed && !cooling_down
    }

    fn after(mut self, effect: ClaimEffect, patient: &RecordKey, now: DateTime<Utc>) -> Result<Self, AddressRefusal> {
        let is_owner = self.owner.as_ref() == Some(patient);
        self.forget_what_ended(now);
        match effect.claim {
            ClaimMove::Keep => {}
            ClaimMove::Lease => {
                if self.wrong_person.contains_key(&patient.practice) {
                    return Err(AddressRefusal::Suppressed);
                }
                self.check_mails(&patient.practice, now)?;
                let term = *self.terms.entry(patient.practice.clone()).or_insert(now + ADDRESS_LEASE);
                // The account of the owner keeps its claim without end.
                if !(is_owner && self.until.is_none()) {
                    self.until = Some(term);
                }
                self.owner = Some(patient.clone());
            }
            ClaimMove::Take => {
                self.owner = Some(patient.clone());
                self.until = None;
            }
            ClaimMove::Settle if is_owner => self.until = None,
            // Another patient has taken over the claim after it lapsed.
            ClaimMove::Settle => return Err(AddressRefusal::InUse { holder: None }),
            ClaimMove::Release { wrong_person } => {
                if is_owner {
                    self.owner = None;
                    self.until = None;
                }
                if wrong_person {
                    self.wrong_person.insert(patient.practice.clone(), now);
                }
            }
        }
        if effect.mails > 0 {
            self.mails.entry(patient.practice.clone()).or_default().extend(std::iter::repeat_n(now, effect.mails));
        }
        Ok(self)
    }

    fn forget_what_ended(&mut self, now: DateTime<Utc>) {
        self.terms.retain(|_, end| now < *end + ADDRESS_COOLDOWN);
        self.mails.retain(|_, mails| {
            mails.retain(|at| now < *at + MAIL_WINDOW);
            !mails.is_empty()
        });
        self.wrong_person.retain(|_, at| now < *at + WRONG_PERSON_MEMORY);
    }

    /// Checks that this practice may send another mail.
    fn check_mails(&self, practice: &PracticeId, now: DateTime<Utc>) -> Result<(), AddressRefusal> {
        let reserved = if self.mails.contains_key(practice) { RESERVED_ADDRESS_MAILS } else { 0 };
        let mut all: Vec<_> = self.mails.values().flatten().collect();
        all.sort_unstable();
        let Some(oldest) = all.iter().rev().nth(MAX_ADDRESS_MAILS - reserved - 1) else { return Ok(()) };
        Err(AddressRefusal::TooManyMails { retry_after_secs: round_up_to_secs(**oldest + MAIL_WINDOW - now) })
    }

    /// Whether the entry says nothing, so that it need not be stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ProfileEntry {
    /// Checks that no other patient's profile has the address. `own_profile` says whether this patient's profile has it.
    ///
    /// # Errors
    /// Another patient, if one is listed.
    pub fn free_for(&self, patient: &PatientId, own_profile: bool) -> Result<(), Option<PatientId>> {
        let other = self.listed.iter().find(|listed| *listed != patient);
        let own_unlisted = u32::from(own_profile && !self.listed.contains(patient));
        if other.is_none() && self.unlisted <= own_unlisted { Ok(()) } else { Err(other.cloned()) }
    }

    fn after(mut self, profile: ProfileMove, patient: &PatientId) -> Self {
        match profile {
            ProfileMove::Add if self.listed.len() >= MAX_LISTED_PROFILES => self.unlisted += 1,
            ProfileMove::Add => {
                self.listed.insert(patient.clone());
            }
            ProfileMove::Remove => {
                if !self.listed.remove(patient) {
                    self.unlisted = self.unlisted.saturating_sub(1);
                }
            }
        }
        self
    }

    /// Whether no profile has the address, so that the entry need not be stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl RefusalBudget {
    fn is_used_up(self, now: DateTime<Utc>) -> bool {
        self.day == now.date_naive() && self.refusals >= MAX_ADDRESS_REFUSALS
    }

    fn with_refusal(self, now: DateTime<Utc>) -> Self {
        let day = now.date_naive();
        Self { day, refusals: if self.day == day { self.refusals + 1 } else { 1 } }
    }

    /// The time until the day ends.
    fn retry_after_secs(now: DateTime<Utc>) -> u64 {
        let next = now.date_naive().checked_add_days(Days::new(1)).map(|day| day.and_time(NaiveTime::MIN).and_utc());
        round_up_to_secs(next.unwrap_or(now) - now)
    }
}

/// The effects of a change on claims, by address.
fn claim_effects(change: &Change) -> BTreeMap<&EmailAddress, ClaimEffect> {
    let before = change.before.as_ref();
    let (claimed_before, claimed) = (before.and_then(PortalRecord::claimed_email), change.after.claimed_email());
    let new_invitation = has_new_invitation(change);
    let mut effects = BTreeMap::new();
    let mut at = |email, apply: &dyn Fn(&mut ClaimEffect)| {
        apply(effects.entry(email).or_insert(ClaimEffect { claim: ClaimMove::Keep, mails: 0 }));
    };
    if let Some(email) = claimed_before.filter(|_| claimed_before != claimed) {
        let wrong_person = change.after.invitation.as_ref().is_some_and(|invitation| {
            matches!(invitation.state, InvitationState::Revoked { reason: RevokeReason::WrongPerson, .. })
        });
        at(email, &|effect| effect.claim = ClaimMove::Release { wrong_person });
    }
    if let Some(email) = claimed {
        let moved = claimed_before != claimed;
        let registered =
            before.is_some_and(|before| before.account == Account::None) && change.after.account != Account::None;
        if new_invitation {
            at(email, &|effect| *effect = ClaimEffect { claim: ClaimMove::Lease, mails: 1 });
        } else if registered {
            at(email, &|effect| effect.claim = ClaimMove::Settle);
        } else if moved {
            at(email, &|effect| effect.claim = ClaimMove::Take);
        }
    }
    let known = before.map(|record| record.notices.as_slice()).unwrap_or_default();
    for notice in change.after.notices.iter().filter(|notice| !known.contains(notice)) {
        at(&notice.to, &|effect| effect.mails += 1);
    }
    effects
}

fn has_new_invitation(change: &Change) -> bool {
    let id = |record: &PortalRecord| record.invitation.as_ref().map(|invitation| invitation.id.clone());
    id(&change.after).is_some() && id(&change.after) != change.before.as_ref().and_then(id)
}

fn profile_moves(change: &Change) -> BTreeMap<&EmailAddress, ProfileMove> {
    let before = change.before.as_ref().and_then(|record| record.profile.email.as_ref());
    let after = change.after.profile.email.as_ref();
    if before == after {
        return BTreeMap::new();
    }
    let removed = before.map(|email| (email, ProfileMove::Remove));
    removed.into_iter().chain(after.map(|email| (email, ProfileMove::Add))).collect()
}
