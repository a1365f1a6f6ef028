"""What people write, for the load: forms of different lengths, languages and matters."""

import json

TEXTS = (
    "Guten Tag, auf meiner letzten Rechnung ist ein Betrag doppelt. Können Sie das prüfen? Freundliche Grüsse",
    "Wie ändere ich das WLAN-Passwort an meinem Router? Ich finde die Seite in der Anleitung nicht.",
    "Hello, I was charged twice for March and would like to know why the second amount is higher than the first one.",
    "Bonjour, je n'arrive pas à me connecter à mon compte depuis hier soir. Pouvez-vous m'aider s'il vous plaît ?",
    "Buongiorno, vorrei sapere quali sono gli orari di apertura della filiale di sabato.",
    "Guten Morgen. Ich habe Ihnen vor zwei Wochen geschrieben und noch keine Antwort. Es geht um die Rechnung vom "
    "Februar, auf der eine Mahngebühr steht, obwohl ich am 3. bezahlt habe. Den Beleg meiner Bank kann ich schicken. "
    "Bitte sagen Sie mir, an wen, und nehmen Sie die Gebühr zurück. Ausserdem wüsste ich gern, ob der Dauerauftrag, "
    "den ich eingerichtet habe, auf das richtige Konto läuft, denn auf der Rechnung steht eine andere Nummer.",
)


def contact_bodies(run: str) -> list[str]:
    """Forms as the website sends them. `run` sets their senders apart from those of other loads."""
    return [
        json.dumps(
            {
                "channel": "web_form",
                "text": f"{text} (@@@@@@@@@@)",
                "sender": {"kind": "email", "value": f"k{run}%%%%%%%%%%@post.example"},
                "display_name": "Katrin Aebischer",
            },
            ensure_ascii=False,
        )
        for text in TEXTS
    ]
