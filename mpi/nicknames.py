"""Which given names are one name: the public `nicknames` table, and a Spanish and immigrant table of our own."""

from __future__ import annotations

from functools import lru_cache

SPANISH = """
FRANCISCO PACO PANCHO CURRO FRANK KIKO FRAN; JOSE PEPE CHEPE JOE JOSEITO; GUADALUPE LUPE LUPITA; JESUS CHUY CHUCHO; IGNACIO NACHO; ENRIQUE QUIQUE KIKE HENRY;
EDUARDO LALO EDDIE EDWARD; GUILLERMO MEMO WILLIAM BILL; ROBERTO BETO ROBERT BOB; ALBERTO BETO ALBERT; MANUEL MANOLO MANNY MANNIE; RAFAEL RAFA RALPH; ANTONIO TONO TONY ANTHONY TOÑO;
DOLORES LOLA LOLITA; CONCEPCION CONCHA CONCHITA; ROSARIO CHAYO CHARO; MERCEDES MECHE MERCHE; CONSUELO CHELO; GRACIELA CHELA GRACE; MARIA MARY MARIE MARI; ISABEL CHABELA ISA ELIZABETH;
TERESA TERE THERESA; JUAN JOHN JUANITO; JUANA JUANITA JANE JOAN; PEDRO PETER; PABLO PAUL; MIGUEL MIKE MICHAEL; CARLOS CHARLES CHARLIE CHUCK; JORGE GEORGE; LUIS LOUIS LEWIS LUCHO; LUISA LOUISA;
ALEJANDRO ALEX ALEXANDER JANDRO; ALEJANDRA ALEX ALEXANDRA; ANDRES ANDREW ANDY; DIEGO JAMES; SANTIAGO JAMES CHAGO; ESTEBAN STEVE STEVEN STEPHEN; FELIPE PHIL PHILIP PIPE; RICARDO RICHARD RICK RICKY;
RAIMUNDO RAYMOND MUNDO; RAMON MONCHO RAY; SALVADOR CHAVA SAL; VICENTE CHENTE VINCENT VINNY; GREGORIO GREG GREGORY GOYO; LORENZO LENCHO LARRY LAWRENCE; MARGARITA MARGARET MAGGIE MARGO RITA;
CATALINA CATHERINE CATHY; CATARINA CATHERINE KATHERINE; ELENA HELEN NENA; ANA ANNA ANITA ANNE ANN; ROSA ROSE ROSITA; JOSEFINA JOSEPHINE JOSIE FINA PEPA; FERNANDO NANDO FER; ARMANDO MANDO; HECTOR TITO;
GERARDO JERRY LALO GERARD; JULIO JULIUS; JULIA JULIE JULIETA; PATRICIA PATY PATTY PATI; LETICIA LETY LETTY; ALICIA ALICE LICHA; BEATRIZ BETTY BEATRICE BEA; VERONICA VERO RONNIE; CRISTINA CHRISTINA TINA CRIS;
CRISTOBAL CHRIS CHRISTOPHER; DANIEL DANNY DAN DANI; DAVID DAVE; REFUGIO CUCA CUCO; SOCORRO COCO; SOLEDAD SOLE CHOLE; TRINIDAD TRINI; YOLANDA YOLI; SUSANA SUSAN SUSIE; ESPERANZA HOPE LANCHA; EUGENIA GENIA;
MARCOS MARK MARCUS; MATEO MATTHEW MATT; TOMAS THOMAS TOM TOMMY; TIMOTEO TIM TIMOTHY; ADAN ADAM; JOAQUIN JACK QUINO; LEONARDO LEO LEONARD; ARTURO ARTHUR ART TURO; ALFREDO FREDDY ALFRED FREDO; FEDERICO FRED FREDERICK;
IVAN JOHN VANYA; MIKHAIL MICHAEL MISHA; ALEKSANDR ALEX ALEXANDER SASHA; YEVGENIY EUGENE GENE ZHENYA; DMITRIY DMITRI DIMA; VLADIMIR VOVA WALTER; YEKATERINA KATHERINE KATYA CATHERINE; NATALIYA NATALIE NATASHA NATALIA;
GIUSEPPE JOSEPH JOE; GIOVANNI JOHN GIANNI; ANTONIETTA ANTOINETTE TONI; MOHAMMED MUHAMMAD MOHAMED MOHAMMAD MOHAMAD MD MOHD; YUSUF JOSEPH YOUSEF YOUSSEF; IBRAHIM ABRAHAM EBRAHIM; HUSSEIN HUSSAIN HUSAIN
"""


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    from nicknames import name_triplets

    short: dict[str, set[str]] = {}
    full: dict[str, set[str]] = {}
    pairs = [(t.name1.upper(), t.name2.upper()) for t in name_triplets()]
    for line in SPANISH.replace("\n", " ").split(";"):
        formal, *forms = line.replace("Ñ", "N").split()
        pairs += [(formal, form) for form in forms]
    for formal, form in pairs:
        short.setdefault(formal, set()).add(form)
        full.setdefault(form, set()).add(formal)
    return ({k: frozenset(v) for k, v in short.items()}, {k: frozenset(v) for k, v in full.items()})


def related(a: str, b: str) -> bool:
    """One is a short or foreign form of the other, or both are short forms of one name (BILL and WILL)."""
    short, full = _table()
    if b in short.get(a, ()) or a in short.get(b, ()):
        return True
    ours, theirs = full.get(a), full.get(b)
    # two formal names that share a rare short form (ALBERTO and ROBERTO: BETO) are two names
    return bool(ours and theirs and a not in short and b not in short and not ours.isdisjoint(theirs))


def both_formal(a: str, b: str) -> bool:
    """Both have short forms of their own, so both are names that parents give."""
    short, _ = _table()
    return a in short and b in short


@lru_cache(maxsize=20_000)
def forms(name: str) -> frozenset[str]:
    """Every name that may stand for `name`."""
    short, full = _table()
    return short.get(name, frozenset()) | full.get(name, frozenset())
