use insta::assert_snapshot;

use super::*;
use crate::mailer::samples::{mail, portal, token_text};

fn rendered(language: Language) -> Rendered {
    render(&mail(language), &portal()).unwrap()
}

fn hostile(language: Language) -> Rendered {
    let content = Content {
        language,
        subject: "Subject",
        practice: r#"<script>alert("1")</script> & 'Sons'"#,
        support_phone: r#"555" onclick="x"#,
        link: "https://portal.example.com/activate#a.b".into(),
        expires: "<b>soon</b>".into(),
    };
    content.render().unwrap()
}

#[test]
fn an_english_mail_has_this_text() {
    let mail = rendered(Language::English);
    assert_snapshot!(mail.subject, @"Your invitation to open an account");
    assert_snapshot!("english_text", mail.text);
    assert_snapshot!("english_html", mail.html);
}

#[test]
fn a_spanish_mail_has_this_text() {
    let mail = rendered(Language::Spanish);
    assert_snapshot!(mail.subject, @"Su invitación para abrir una cuenta");
    assert_snapshot!("spanish_text", mail.text);
    assert_snapshot!("spanish_html", mail.html);
}

#[test]
fn each_body_contains_the_token_once_in_the_fragment_of_the_link() {
    for language in [Language::English, Language::Spanish] {
        let mail = rendered(language);
        for body in [&mail.text, &mail.html] {
            assert_eq!(body.matches(&token_text()).count(), 1);
            assert!(body.contains(&format!("https://portal.example.com/activate#{}", token_text())));
        }
        assert!(!mail.subject.contains(&token_text()));
    }
}

#[test]
fn a_mail_contains_nothing_about_the_patient_and_no_specialty_in_the_subject() {
    for language in [Language::English, Language::Spanish] {
        let mail = rendered(language);
        for body in [&mail.text, &mail.html, &mail.subject.to_owned()] {
            let body = body.to_lowercase();
            assert!(!body.contains("jose") && !body.contains("patient@") && !body.contains("i-1"), "{body}");
        }
        // The subject shows on locked screens, where "Oak Oncology" would reveal the specialty.
        assert!(!mail.subject.contains("Oak"));
    }
}

#[test]
fn html_is_escaped() {
    for language in [Language::English, Language::Spanish] {
        let html = hostile(language).html;
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains(r#"" onclick"#), "{html}");
        assert!(html.contains("&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62; &#38; &#39;Sons&#39;"), "{html}");
    }
}

#[test]
fn text_is_not_escaped() {
    assert!(hostile(Language::English).text.contains(r#"<script>alert("1")</script> & 'Sons' invites you"#));
}

#[test]
fn html_loads_nothing_names_its_language_and_colours_only_the_button() {
    for language in [Language::English, Language::Spanish] {
        let html = rendered(language).html;
        for outside in ["<img", "src=", "url(", "<link", "<script", "<table"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("http").count(), 1, "the activation link");
        assert_eq!(html.matches(&format!("lang=\"{}\"", language.tag())).count(), 2);
        assert_eq!(html.matches("color: #").count(), 2, "the two colours of the button");
    }
}

#[test]
fn the_expiry_is_in_the_practices_time_zone_and_the_patients_language() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let new_york = Tz::America__New_York;
    for (instant, zone, english, spanish) in [
        (
            "2026-05-09T03:59:59.999Z",
            new_york,
            "Friday, May 8, 2026 at 11:59 PM EDT",
            "viernes 8 de mayo de 2026, 11:59 p.\u{a0}m. EDT",
        ),
        (
            "2026-01-01T05:00:00Z",
            new_york,
            "Thursday, January 1, 2026 at 12:00 AM EST",
            "jueves 1 de enero de 2026, 12:00 a.\u{a0}m. EST",
        ),
        // The clock goes from 1:59 EDT to 1:00 EST. The abbreviation distinguishes the two hours.
        (
            "2026-11-01T06:30:00Z",
            new_york,
            "Sunday, November 1, 2026 at 1:30 AM EST",
            "domingo 1 de noviembre de 2026, 1:30 a.\u{a0}m. EST",
        ),
        (
            "2026-12-05T15:05:00Z",
            Tz::America__Sao_Paulo,
            "Saturday, December 5, 2026 at 12:05 PM UTC-03",
            "sábado 5 de diciembre de 2026, 12:05 p.\u{a0}m. UTC-03",
        ),
    ] {
        assert_eq!(local_time(at(instant), zone, Language::English), english);
        assert_eq!(local_time(at(instant), zone, Language::Spanish), spanish);
    }
}

#[test]
fn days_and_months_have_spanish_names() {
    let days: Vec<_> =
        (3..=9).map(|day| spanish_day(chrono::NaiveDate::from_ymd_opt(2026, 8, day).unwrap().weekday())).collect();
    assert_eq!(days.join(" "), "lunes martes miércoles jueves viernes sábado domingo");
    let months: Vec<_> = (1..=12).map(spanish_month).collect();
    assert_eq!(
        months.join(" "),
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
    );
}
