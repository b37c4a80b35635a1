"""The words by which a column says who stays and who goes, in English, German, French and Spanish.

A heading or value in another language is not recognized; the preview then shows the column with its values
(``row_choice``). All patterns are for text in lower case as ``plain`` makes it.
"""

from __future__ import annotations

import re
import unicodedata

GOING_OR_STAYING = re.compile(
    r"actions?|(?:is)?(?:in)?activ(?:e|ity)|active?flag|cancell?ed|changes?|current(?:ly)?|deactivated?|decision|depart(?:s|ed|ing|ure)|"
    r"(?:is)?delet(?:e|ed|ing|ion)|de(?:-?)regist(?:er|ered)|disabled|disenroll?(?:ed)?|drop(?:ped)?|dropout|employed|"
    r"enabled|(?:is|un)?enroll?(?:ed|ment)?|exclu(?:de|ded|sion)|exempt(?:ed)?|exit|going|gone|ignored?|kee?pt?s?|"
    r"leav(?:e|es|er|ers|ing)|left|offboard(?:ed|ing)?|operation|protected|quit|registered|remain(?:s|ing)?|"
    r"rehir(?:e|ed|ing)|reinstated|remov(?:e|ed|al|ing)(?:flag)?|resign(?:ed|ation)?|relieving|retain(?:ed)?|"
    r"retir(?:e|es|ed|ing|ement)|"
    r"separat(?:ed|ion)|skip|state|\w*status|"
    r"stay(?:s|ing)?|terminat(?:e|ed|ion)|void|withdrawn?|"
    r"abgang(?:sdatum)?|abmelden|abgemeldet|aktiv|aktion|(?:aus|ein)treten|austritt(?:sdatum)?|ausgetreten|"
    r"aus(?:tragen|getragen|scheiden|geschieden)|behalten|besch(?:\u00e4|ae)ftigt|bleib(?:t|en)|entfern(?:en|t)|enddatum|"
    r"gek(?:\u00fc|ue)ndigt|k(?:\u00fc|ue)ndigung(?:sdatum)?|gel(?:\u00f6|oe)scht|l(?:\u00f6|oe)schen|streichen|verbleibt|"
    r"(?:in)?acti(?:f|ve|vo|va)|conserv(?:er|ar)|d[e\u00e9]part|d[e\u00e9]sinscri(?:re|t)|garder|licenci[e\u00e9]|parti|"
    r"pr[e\u00e9]sent|quitte|reste|retirer|sortie|statut|supprim(?:er|[e\u00e9]s?)|"
    r"acci[o\u00f3]n|baja|borrar|desmatricular|despedido|eliminad?[or]r?|estado|mantener|permanece|queda|quitar|retirar|salida"
)
"""Words of a heading under which values may say who stays."""
GOING_PHRASE = re.compile(
    r"\bend date\b|\blast (?:working )?day\b|\bdate de (?:sortie|d[e\u00e9]part)\b|\bfecha de (?:salida|baja)\b"
)
"""Several words of such a heading."""
FLAG = re.compile("approved|confirmed|done|included?|processed|selected")
"""Words of a heading under which yes and no, or a mark, may say who stays; other values say something else."""
STAYING = re.compile(
    r"(?:is)?active|current(?:ly)?|done|employed|enabled|(?:is)?enroll?(?:ed|ment)?|exclu(?:de|ded|sion)|exempt(?:ed)?|"
    r"ignored?|kee?pt?s?|processed|protected|registered|rehir(?:e|ed|ing)|reinstated|remain(?:s|ing)?|retain(?:ed)?|"
    r"skip|stay(?:s|ing)?|"
    r"aktiv|behalten|besch(?:\u00e4|ae)ftigt|bleib(?:t|en)|verbleibt|"
    r"acti(?:f|vo|va)|conserv(?:er|ar)|garder|mantener|permanece|pr[e\u00e9]sent|queda|reste"
)
"""Words of a heading under which yes means staying; a negation turns that round."""
NEGATION = re.compile("dont|doesnt|no|non|not|never|ne|nicht|pas")
STAYING_VALUE = re.compile(
    r"active.*|add(?:ed)?|current.*|enroll?(?:ed)?|kee?pt?\b.*|present|retain(?:ed)?|(?:to )?stay(?:s|ing|ers)?|"
    r"to keep|remains?|acti(?:f|vo|va)|aktiv|behalten|bleib(?:t|en)|conserv(?:er|ar)|garder|mantener"
)
GOING_VALUE = re.compile(
    r"del(?:ete|eted)?|drop(?:ped)?|exit(?:ed)?|go(?:ing|ne)?|inactive|leave(?:s|rs)?|left|(?:to )?remov(?:e|al)|"
    r"resigned|terminated|unenroll?(?:ed)?|withdrawn|"
    r"ausgetreten|ausgeschieden|austragen|entfern(?:en|t)|gek(?:\u00fc|ue)ndigt|k(?:\u00fc|ue)ndigen|"
    r"gel(?:\u00f6|oe)scht|inakti(?:v|f)|l(?:\u00f6|oe)schen|"
    r"inactivo|baja|eliminar|eliminado|retirer|supprim(?:er|[e\u00e9])"
)
PLAINLY_STAYING_VALUE = re.compile(
    r"(?:to |please )?(?:keep|stay)(?: .*)?|stays|(?:bitte )?behalten|bleibt|garder|conserver|mantener"
)
"""Values that say so under whatever heading."""
STAYING_REMARK = re.compile(
    r"\b(?:do not|don['\u2019]?t|never|not to be|not be|cannot|can['\u2019]?t|shouldn['\u2019]?t(?: be)?) "
    r"(?:be )?(?:delete|drop|remove|unenroll?)d?\b|"
    r"\b(?:please|must|should) (?:keep|stay)\b|\bkeep (?:enroll?ed|her|him|them|in)\b|\bno removal\b|\bwrong person\b|"
    r"\b(?:rescinded|revoked|reinstated|rehired|sabbatical)\b|\bon (?:\w+ )?leave\b|\breturns?(?: to work| on| in)\b|"
    r"\bnicht (?:l\u00f6schen|loeschen|entfernen|austragen)\b|\bbitte behalten\b|"
    r"\bne pas (?:supprimer|retirer|d\u00e9sinscrire)\b|\bno (?:eliminar|borrar|quitar|retirar)\b"
)
"""A remark that somebody stays, wherever it stands."""
STAYING_LIST = re.compile(
    r"exempt(?:ed|ions?)?|exclu(?:ded|sions?)|protected(?: .*)?|remaining|white ?list|allow ?list"
)
"""A name of a list of those who stay, besides such values."""
YES = re.compile("1|true|x|y|yes|ok|j|ja|oui|s[i\u00ed]|[\u2713\u2714\u2611\u2705]\ufe0f?")
NO = re.compile("0|false|n|no|nein|non|[\u2717\u2718\u274c\u274e]\ufe0f?")
PLACEHOLDERS = frozenset(
    {"-", "--", "\u2013", "\u2014", "n/a", "na", "none", "null", "nil", "9999-12-31", "31.12.9999"}
)
"""What some programs write into a cell that is blank in others."""

DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ t]\d{1,2}:.*)?")
"""A day, as the date of leaving."""

_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")


def plain(text: str) -> str:
    """The text in lower case, its characters in their usual form, without blanks, dots and brackets around it."""
    if text.isascii():
        return text.strip(" \t\r\n.!?,;:()[]").lower()
    normalized = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return normalized.strip(" \t\r\n.!?,;:()[]\u00a0").casefold()


def says_who_stays(name: str) -> bool:
    """Whether the name of a file or sheet says that the people in it stay, as "Do not remove" or "active staff"."""
    text = plain(re.sub(r"[\W_]+", " ", name.replace("'", "").replace("\u2019", "")))
    if any(GOING_VALUE.fullmatch(word) for word in text.split()) and not STAYING_REMARK.search(text):
        return False  # as in "current leavers"
    patterns = (STAYING_VALUE, PLAINLY_STAYING_VALUE, STAYING_LIST)
    return bool(STAYING_REMARK.search(text) or any(pattern.fullmatch(text) for pattern in patterns))


def words_of(heading: str) -> list[str]:
    """The words of a heading, also where only a capital begins the next one."""
    normalized = _UNSEEN.sub("", unicodedata.normalize("NFKC", heading)).replace("'", "").replace("\u2019", "")
    return re.findall(r"[^\W\d_]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", normalized).casefold())
