"""The vocabulary of URLs: arguments that track readers, and path segments that tell articles from the rest."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fmt: off
TRACKING = _words("""
    fbclid fb_action_ids fb_action_types fb_ref fb_source __twitter_impression twclid ttclid igshid igsh
    li_fat_id gclid gclsrc gbraid wbraid dclid _ga _gl msclkid yclid ysclid _openstat mkt_tok mc_cid mc_eid
    _hsenc _hsmi __hssc __hstc __hsfp hsctatracking vero_id vero_conv oly_enc_id oly_anon_id rb_clickid wickedid
    s_cid s_kwcid ef_id epik irclickid guccounter guce_referrer guce_referrer_sig ocid cmpid icid int_cid
    int_source int_medium int_campaign ito ns_mchannel ns_source ns_campaign ns_linkname ns_fee xtor smid smtyp
    soc_src soc_trk sr_share trk trkcampaign mbid ftag wt_mc wt.mc_id wt_zmc wtmc wt.nav wt.tsrc feedtype
    feedname referringsource phpsessid jsessionid cftoken cfid pk_campaign pk_kwd pk_keyword pk_source pk_medium
    pk_content pk_cid at_medium at_campaign at_format at_link_id at_link_origin at_link_type at_ptr_name
    at_bbc_team at_custom1 at_custom2 at_custom3 at_custom4 sc_src sc_lid sc_llid sc_uid sc_eh sc_customer
    sc_cid ga_source ga_medium ga_campaign
""")
"""Arguments that say only how a reader came, or who; without them the page is the same."""

WHERE_FROM = _words("""
    xref ref partner source src via referrer from
""")
"""Arguments that may say where a reader came from, or something about the page."""

PLACES = _words("""
    rss feed feeds atom newsletter email mail twitter x facebook fb instagram linkedin telegram whatsapp reddit
    flipboard googlenews google-news google_news social share app home homepage nav footer header sidebar
    related trending
""")
"""Values that make an argument named ``ref`` or ``source`` say where the reader came from, and nothing else."""

HUBS = _words("""
    tag tags tagged topic topics label labels keyword keywords category categories cat author authors by profile
    profiles contributor contributors people person staff user users member archive archives search find feed
    feeds rss atom sitemap index page schlagwort schlagworte thema themen themenseite rubrik kategorie
    kategorien autor autoren suche archiv seite etiqueta etiquetas tema temas categoria categorias autores
    buscar archivo pagina mot-cle mots-cles etiquette etiquettes theme themes categorie auteur auteurs recherche
    rechercher parola-chiave argomento argomenti autore autori cerca ricerca archivio assunto assuntos busca
    onderwerp onderwerpen zoeken archief auteurpagina amne amnen sok forfatter emne emner tagi temat tematy
    szukaj autorzy
""")
"""Path segments that lead to lists, in the languages of Western Europe."""

SERVICES = _words("""
    login log-in signin sign-in signup sign-up register registration logout account my-account konto mein-konto
    subscribe subscription subscriptions abo abos abonnement abonnements suscripcion suscripciones abbonamenti
    assinatura newsletter newsletters share print email-this comment comments kommentare commentaires
    comentarios reply privacy privacy-policy datenschutz confidentialite privacidad terms terms-of-use
    terms-and-conditions agb cgu cgv legal legal-notice aviso-legal imprint impressum mentions-legales colophon
    contact contact-us contacts kontakt contacto contatti contato about about-us ueber-uns uber-uns a-propos
    quienes-somos chi-siamo help faq hilfe aide ayuda support jobs careers karriere stellenangebote advertise
    advertising media-kit werbung publicidad pubblicita anzeigen shop store cart checkout basket warenkorb
    cookie cookies cookie-policy accessibility cdn-cgi wp-admin wp-login.php wp-json wp-content api graphql
    oauth auth sso consent epaper e-paper puzzles crossword crosswords horoscope horoskop tv-guide tv-programm
    traueranzeigen classifieds marketplace
""")
"""Path segments of what a site offers besides articles."""

ARTICLE_WORDS = _words("""
    article articles story stories artikel beitrag meldung nachricht nachrichten news-story newsarticle noticia
    noticias nota notizia notizie articolo actualite actualites materia nyheter nyhed bericht wiadomosci post
    posts blog breaking
""")
"""Path segments above articles."""

MOVES = _words("""
    month year day date start end from to offset sort order orderby dir view filter limit per_page
""")
"""Arguments to leaf through a calendar or to arrange a table."""
# fmt: on
