use std::collections::BTreeSet;

use insta::assert_snapshot;

use super::*;
use crate::mailer::samples::notice;

const KINDS: [NoticeKind; 4] =
    [NoticeKind::AddressRemoved, NoticeKind::AddressAdded, NoticeKind::AccountClosed, NoticeKind::AccountReopened];
const LANGUAGES: [Language; 2] = [Language::English, Language::Spanish];

fn rendered(kind: NoticeKind, language: Language) -> Rendered {
    render(&notice(kind, language)).unwrap()
}

fn all() -> Vec<Rendered> {
    KINDS.iter().flat_map(|kind| LANGUAGES.map(|language| rendered(*kind, language))).collect()
}

fn hostile(kind: NoticeKind, language: Language) -> Rendered {
    let content = Content {
        kind,
        language,
        subject: "Subject",
        practice: r#"<script>alert("1")</script> & 'Sons'"#,
        support_phone: r#"555" onclick="x"#,
        date: "<b>today</b>".into(),
    };
    content.render().unwrap()
}

#[test]
fn english_notices_have_this_text() {
    for kind in KINDS {
        let mail = rendered(kind, Language::English);
        assert_eq!(mail.subject, "A change to your account");
        assert_snapshot!(format!("english_text_{}", kind.name()), mail.text);
        assert_snapshot!(format!("english_html_{}", kind.name()), mail.html);
    }
}

#[test]
fn spanish_notices_have_this_text() {
    for kind in KINDS {
        let mail = rendered(kind, Language::Spanish);
        assert_eq!(mail.subject, "Un cambio en su cuenta");
        assert_snapshot!(format!("spanish_text_{}", kind.name()), mail.text);
        assert_snapshot!(format!("spanish_html_{}", kind.name()), mail.html);
    }
}

#[test]
fn a_notice_contains_the_local_date_and_the_phone_number() {
    for (language, date) in [(LANGUAGES[0], "Tuesday, May 5, 2026"), (LANGUAGES[1], "martes 5 de mayo de 2026")] {
        for kind in KINDS {
            let mail = rendered(kind, language);
            for body in [mail.text, mail.html] {
                assert!(body.contains(date) && body.contains("+1 (555) 010-0199"), "{body}");
            }
        }
    }
}

#[test]
fn the_notices_differ() {
    for language in LANGUAGES {
        let mails = KINDS.map(|kind| rendered(kind, language));
        assert_eq!(mails.iter().map(|mail| &mail.text).collect::<BTreeSet<_>>().len(), KINDS.len());
        assert_eq!(mails.iter().map(|mail| &mail.html).collect::<BTreeSet<_>>().len(), KINDS.len());
    }
}

#[test]
fn a_notice_contains_no_address_nothing_about_the_patient_and_no_specialty_in_the_subject() {
    for mail in all() {
        for body in [&mail.text, &mail.html, &mail.subject.to_owned()] {
            let body = body.to_lowercase();
            assert!(!body.contains('@') && !body.contains("jose"), "{body}");
        }
        // The subject shows on locked screens, where "Oak Oncology" would reveal the specialty.
        assert!(!mail.subject.contains("Oak"));
    }
}

#[test]
fn a_notice_has_no_link_and_loads_nothing() {
    for mail in all() {
        for body in [&mail.text, &mail.html] {
            for outside in ["http", "href", "<img", "src=", "url(", "<link", "<script", "color: #"] {
                assert!(!body.contains(outside), "{outside}");
            }
        }
    }
}

#[test]
fn html_names_its_language() {
    for language in LANGUAGES {
        let html = rendered(KINDS[0], language).html;
        assert_eq!(html.matches(&format!("lang=\"{}\"", language.tag())).count(), 2);
    }
}

#[test]
fn html_is_escaped_and_text_is_not() {
    for (kind, language) in KINDS.iter().flat_map(|kind| LANGUAGES.map(|language| (*kind, language))) {
        let mail = hostile(kind, language);
        let html = mail.html;
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains(r#"" onclick"#), "{html}");
        assert!(html.contains("&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62; &#38; &#39;Sons&#39;"), "{html}");
        assert!(mail.text.contains(r#"<script>alert("1")</script> & 'Sons'"#), "{}", mail.text);
    }
}
