"""What columns are called in many languages: the tables that reading goes by and docs/files.md is printed from."""

# ruff: noqa: E501, RUF001 - words of many scripts, a kind of column a line

from __future__ import annotations

from collections.abc import Mapping

# The languages whose speakers write 3.14; the others write 3,14.
DECIMAL_DOT = ("English", "Chinese", "Japanese", "Korean", "any")
# Of a language the names of each kind of column; where a table has two of a kind, the one that stands first is taken.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "English": {
        "date": (
            "datetime", "date", "timestamp", "ds", "trade date", "trading date", "trading day", "observation date",
            "date utc", "datetime utc", "gmt time", "local time", "open time", "time", "day", "period", "month",
            "unix", "epoch", "time utc", "business date", "as of date", "price date", "dates", "date time",
            "date/time", "quote date", "exchange date", "unix timestamp", "time period", "trad dt", "trade dt",
        ),
        "item": (
            "unique id", "item id", "ticker", "symbol", "ticker symbol", "item", "asset", "instrument", "stock", "sym",
            "tckr symb", "codneg",
        ),
        "close": (
            "close", "close/last", "close price", "closing price", "last", "last price", "price", "settle",
            "settlement", "y", "value", "c", "px last", "px close", "px settle", "settlement price", "settle price",
            "trade close", "last trade price", "prices", "close value", "closing value", "closing", "mid close", "bid close", "prc",
            "obs value", "nav", "nav per share", "net asset value", "cls pric", "trdprc 1", "preult",
        ),
        "adj_close": (
            "adj close", "adjusted close", "adj close price", "adj closing price", "close adj", "close adjusted",
            "adjusted", "adjusted closing price", "adjclose value", "adj price", "adjusted price",
        ),
        "open": (
            "open", "open price", "opening price", "o", "px open", "opening", "open value", "trade open", "mid open",
            "bid open", "opn pric", "preabe",
        ),
        "high": (
            "high", "high price", "h", "px high", "highest", "day high", "high value", "trade high", "mid high",
            "bid high", "highest price", "daily high", "hgh pric", "high 1", "premax",
        ),
        "low": (
            "low", "low price", "l", "px low", "lowest", "day low", "low value", "trade low", "mid low", "bid low",
            "lowest price", "daily low", "lw pric", "low 1", "premin",
        ),
        "volume": (
            "volume", "vol", "traded volume", "total volume", "total volumes", "v", "px volume", "trading volume", "trade volume",
            "volume traded", "shares traded", "total traded quantity", "traded quantity", "ttl trd qnty", "tick volume",
            "tickvol", "tick vol", "real volume", "base volume", "quantity", "no of shares", "share volume",
            "number of shares", "total trade quantity", "total traded qty", "tottrdqty", "no of shrs", "ttl tradg vol", "quatot",
            "acvol uns", "acvol 1",
        ),
    },
    "German": {
        "date": ("Datum", "Handelstag", "Tag", "Zeitpunkt", "Handelsdatum", "Zeitstempel", "Kursdatum", "Börsentag"),
        "item": ("Wertpapier", "Aktie", "Kürzel", "WKN"),
        "close": (
            "Schlusskurs", "Schluss", "Schlußkurs", "Schlußstand", "Schlussstand", "Zuletzt", "Letzter", "Letzter Kurs",
            "Kurs", "Preis", "Schlusspreis", "Abrechnungspreis", "Wert",
        ),
        "adj_close": ("bereinigter Schlusskurs", "Schlusskurs bereinigt", "Adj. Schlusskurs", "angepasster Schlusskurs"),
        "open": ("Eröffnung", "Eröffnungskurs", "Eröffn.", "Erster", "Anfangskurs", "Eröffnungspreis", "Erster Kurs"),
        "high": (
            "Hoch", "Tageshoch", "Höchst", "Höchstkurs", "Höchster", "Hochkurs", "Tageshöchstkurs", "Höchstpreis",
            "Höchststand",
        ),
        "low": (
            "Tief", "Tagestief", "Tiefst", "Tiefstkurs", "Tiefster", "Tiefkurs", "Tagestiefstkurs", "Niedrig",
            "Niedrigster", "Tiefstpreis", "Tiefststand", "Niedrigstkurs",
        ),
        "volume": (
            "Stücke", "Stückzahl", "Volumen", "Handelsvolumen", "gehandelte Stücke", "Umsatz in Stück", "Umsatz",
            "Anzahl",
        ),
    },
    "French": {
        "date": ("date de cotation", "jour", "horodatage", "date de séance", "séance"),
        "item": ("valeur mobilière", "titre", "libellé"),
        "close": (
            "Clôture", "Cours de clôture", "Dernier", "Fermeture", "Prix de clôture", "clot", "clôt.", "Dernier cours",
            "Cours", "Prix", "Valeur",
        ),
        "adj_close": ("Clôture ajustée", "Cours de clôture ajusté", "Cours ajusté", "Clôture ajust."),
        "open": ("Ouverture", "Ouv.", "Cours d'ouverture", "Prix d'ouverture"),
        "high": ("Plus haut", "+ haut", "Haut", "Cours le plus haut", "Maximum", "Élevé", "Prix le plus haut"),
        "low": ("Plus bas", "+ bas", "Bas", "Cours le plus bas", "Minimum", "Faible", "Prix le plus bas"),
        "volume": ("Volumes", "Volume échangé", "Quantité", "Titres échangés", "Volume négocié", "Nombre de titres", "Nb titres"),
    },
    "Spanish": {
        "date": ("Fecha", "Fecha y hora", "Día", "Fecha de negociación", "Sesión"),
        "item": ("Activo", "Emisora", "Empresa", "Nemotécnico"),
        "close": (
            "Cierre", "Precio de cierre", "Último", "Último precio", "Cotización", "Precio", "Precio cierre", "Al cierre",
        ),
        "adj_close": ("Cierre ajustado", "Cierre ajust.", "Precio de cierre ajustado", "Cierre aj."),
        "open": ("Apertura", "Precio de apertura", "Abertura", "Precio apertura", "Inicio"),
        "high": ("Máximo", "Máx.", "Alto", "Precio máximo", "Más alto", "Máximo del día"),
        "low": ("Mínimo", "Mín.", "Bajo", "Precio mínimo", "Más bajo", "Mínimo del día"),
        "volume": ("Volumen negociado", "Títulos", "Títulos negociados", "Cantidad", "Volumen títulos", "Acciones"),
    },
    "Portuguese": {
        "date": ("Data", "Data e hora", "Data do pregão", "Dia", "Pregão", "Data da negociação"),
        "item": ("Ativo", "Papel", "Código de negociação", "Cód."),
        "close": (
            "Fechamento", "Preço de fechamento", "Fecho", "Último", "Preço de fecho", "Preço", "Cotação", "Fech.",
            "Último preço", "Encerramento", "Valor",
        ),
        "adj_close": ("Fechamento ajustado", "Fecho ajustado", "Fech. ajustado", "Preço de fechamento ajustado"),
        "open": ("Abertura", "Preço de abertura", "Abert."),
        "high": ("Máxima", "Máximo", "Preço máximo", "Alta", "Máx. do dia"),
        "low": ("Mínima", "Mínimo", "Preço mínimo", "Baixa", "Baixo"),
        "volume": ("Volume negociado", "Quantidade", "Qtd.", "Quantidade negociada", "Títulos negociados"),
    },
    "Italian": {
        "date": ("Data", "Data e ora", "Giorno", "Data contrattazione", "Seduta"),
        "item": ("Titolo", "Strumento", "Azione"),
        "close": (
            "Chiusura", "Prezzo di chiusura", "Prezzo chiusura", "Chius.", "Ultimo", "Ultimo prezzo", "Prezzo",
            "Riferimento", "Prezzo di riferimento", "Quotazione", "Valore",
        ),
        "adj_close": ("Chiusura rettificata", "Chiusura aggiustata", "Chiusura agg.", "Prezzo di chiusura rettificato"),
        "open": ("Apertura", "Prezzo di apertura", "Prezzo apertura", "Apert."),
        "high": ("Massimo", "Prezzo massimo", "Massimi", "Più alto", "Max giorno"),
        "low": ("Minimo", "Prezzo minimo", "Minimi", "Più basso", "Basso", "Min giorno"),
        "volume": ("Volumi", "Quantità", "Volume scambiato", "Volumi scambiati", "Quantità scambiata", "Scambi"),
    },
    "Dutch": {
        "date": ("Datum", "Handelsdag", "Dag", "Tijdstip", "Datum en tijd", "Datum/tijd"),
        "item": ("Aandeel", "Fonds", "Effect"),
        "close": ("Slot", "Slotkoers", "Sluiting", "Laatste", "Sluitkoers", "Koers", "Prijs", "Laatste koers", "Waarde"),
        "adj_close": ("Aangepaste slotkoers", "Gecorrigeerde slotkoers", "Aangepast slot", "Aangepaste sluiting"),
        "open": ("Opening", "Openingskoers", "Openingsprijs"),
        "high": ("Hoog", "Hoogste", "Hoogste koers", "Dagtop", "Hoogst"),
        "low": ("Laag", "Laagste", "Laagste koers", "Dagbodem", "Laagst"),
        "volume": ("Omzet", "Aantal", "Handelsvolume", "Verhandeld volume", "Aantal aandelen"),
    },
    "Polish": {
        "date": ("Data", "Data sesji", "Dzień", "Data i czas", "Data notowania"),
        "item": ("Walor", "Spółka", "Instrument finansowy"),
        "close": (
            "Zamknięcie", "Kurs zamknięcia", "Ostatnio", "Ostatni", "Cena zamknięcia", "Kurs", "Cena", "Ostatni kurs",
            "Zamkn.",
        ),
        "adj_close": ("Zamknięcie skorygowane", "Skorygowane zamknięcie", "Kurs skorygowany"),
        "open": ("Otwarcie", "Kurs otwarcia", "Cena otwarcia", "Otw."),
        "high": ("Najwyższy", "Maksimum", "Maks.", "Kurs maksymalny", "Najwyższa", "Cena maksymalna", "Maksymalny"),
        "low": ("Najniższy", "Minimum", "Kurs minimalny", "Najniższa", "Cena minimalna", "Minimalny"),
        "volume": ("Wolumen", "Wol.", "Wolumen obrotu", "Liczba akcji", "Wolumen akcji"),
    },
    "Czech": {
        "date": ("Datum", "Den", "Datum a čas", "Obchodní den", "Datum obchodu"),
        "item": ("Cenný papír", "Akcie", "Název cenného papíru"),
        "close": (
            "Závěr", "Zavírací cena", "Zavření", "Závěrečný kurz", "Závěrečná cena", "Poslední", "Zavírací", "Uzavření",
            "Kurz", "Cena", "Uzavírací cena", "Zavírací kurz",
        ),
        "adj_close": ("Upravený závěr", "Upravená zavírací cena", "Upravené zavření"),
        "open": ("Otevření", "Otevírací cena", "Otevírací", "Otevírací kurz", "Zahájení"),
        "high": ("Nejvyšší", "Nejvyšší cena", "Maximum", "Denní maximum", "Vysoká"),
        "low": ("Nejnižší", "Nejnižší cena", "Minimum", "Denní minimum", "Nízká"),
        "volume": ("Objem", "Objem obchodů", "Počet kusů", "Objem (ks)", "Zobchodované množství"),
    },
    "Turkish": {
        "date": ("Tarih", "İşlem tarihi", "Gün", "Tarih/saat", "Tarih saat"),
        "item": ("Hisse", "Hisse kodu", "Sembol", "Hisse senedi"),
        "close": ("Kapanış", "Kapanış fiyatı", "Şimdi", "Son", "Son fiyat", "Fiyat", "Kapanış değeri"),
        "adj_close": ("Düzeltilmiş kapanış", "Düz. kapanış", "Ayarlanmış kapanış"),
        "open": ("Açılış", "Açılış fiyatı", "Açılış değeri"),
        "high": ("Yüksek", "En yüksek", "En yüksek fiyat", "Gün içi en yüksek"),
        "low": ("Düşük", "En düşük", "En düşük fiyat", "Gün içi en düşük"),
        "volume": ("Hacim", "Hac.", "İşlem hacmi", "İşlem miktarı", "Lot", "Adet"),
    },
    "Russian": {
        "date": ("Дата", "Дата торгов", "Время", "День", "Дата и время", "Торговый день"),
        "item": ("Тикер", "Инструмент", "Бумага", "Код инструмента", "Символ"),
        "close": (
            "Закрытие", "Цена закрытия", "Закр.", "Последняя", "Цена", "Последняя цена", "Курс", "Цена последней сделки",
            "Значение",
        ),
        "adj_close": ("Скорректированное закрытие", "Скорр. закрытие", "Скорректированная цена закрытия"),
        "open": ("Открытие", "Цена открытия", "Откр."),
        "high": ("Максимум", "Макс.", "Максимальная цена", "Высшая", "Наивысшая", "Максимальная", "Хай"),
        "low": ("Минимум", "Мин.", "Минимальная цена", "Низшая", "Наименьшая", "Минимальная", "Лоу"),
        "volume": ("Объём", "Объём торгов", "Объем сделок", "Количество", "Объём, шт.", "Оборот"),
    },
    "Chinese": {
        "date": (
            "日期", "交易日期", "交易日", "时间", "時間", "日期时间", "日期時間", "年月日", "交易时间", "交易時間", "成交日期",
        ),
        "item": ("股票代码", "股票代號", "股票代碼", "证券代码", "證券代碼", "證券代號", "代码", "代碼", "代號", "代号"),
        "close": (
            "收盘", "收盤", "收盘价", "收盤價", "收市", "收市价", "收市價", "收盘价格", "收盤價格", "今收", "收", "最新价",
            "最新價", "价格", "價格", "成交价", "成交價", "收盤指數", "收盘指数",
        ),
        "adj_close": (
            "调整后收盘价", "調整後收盤價", "复权收盘价", "復權收盤價", "调整收盘价", "調整收盤價", "经调整收市价", "經調整收市價",
            "后复权收盘价", "前复权收盘价",
        ),
        "open": (
            "开盘", "開盤", "开盘价", "開盤價", "开市", "開市", "今开", "今開", "开市价", "開市價", "开", "開", "开盘价格",
            "開盤價格", "開盤指數", "开盘指数",
        ),
        "high": ("最高", "最高价", "最高價", "高", "最高价格", "最高價格", "最高指數", "最高指数", "盘中最高", "盤中最高"),
        "low": ("最低", "最低价", "最低價", "低", "最低价格", "最低價格", "最低指數", "最低指数", "盘中最低", "盤中最低"),
        "volume": (
            "成交量", "交易量", "成交股数", "成交股數", "总手", "總手", "成交量(股)", "成交量(手)", "成交数量", "成交數量", "量",
            "成交張數",
        ),
    },
    "Japanese": {
        "date": ("日付", "日付け", "日時", "年月日", "取引日", "月日", "年月"),
        "item": ("銘柄", "銘柄コード", "コード", "証券コード", "銘柄名"),
        "close": ("終値", "現在値", "終り値", "引け値", "株価", "価格", "値段", "基準価額"),
        "adj_close": ("調整後終値", "調整済み終値", "修正後終値", "調整後株価"),
        "open": ("始値", "始め値", "寄付", "寄値"),
        "high": ("高値", "最高値"),
        "low": ("安値", "最安値", "低値"),
        "volume": ("出来高", "取引高", "売買高", "売買株数"),
    },
    "Korean": {
        "date": ("날짜", "일자", "일시", "거래일", "거래일자", "기준일", "영업일", "시간"),
        "item": ("종목코드", "종목", "종목명", "단축코드", "티커"),
        "close": ("종가", "현재가", "마감가", "마감", "체결가", "가격", "기준가"),
        "adj_close": ("수정종가", "수정 주가", "조정종가"),
        "open": ("시가", "시작가", "개장가", "오픈"),
        "high": ("고가", "최고가"),
        "low": ("저가", "최저가"),
        "volume": ("거래량", "누적거래량", "체결량"),
    },
    "Swedish, Danish, Norwegian": {
        "date": ("Datum", "Dato", "Handelsdag"),
        "close": (
            "Stängning", "Slutkurs", "Stängningskurs", "Senaste", "Senast", "Lukkekurs", "Luk", "Seneste", "Sluttkurs",
            "Slutt", "Siste", "Kurs", "Pris",
        ),
        "open": ("Öppning", "Öppen", "Öppningskurs", "Åbning", "Åben", "Åpning", "Åpningskurs", "Åbningskurs"),
        "high": ("Högst", "Högsta", "Högstakurs", "Højest", "Høj", "Højeste", "Høyest", "Høy", "Høyeste"),
        "low": ("Lägst", "Lägsta", "Lägstakurs", "Lavest", "Lav", "Laveste"),
        "volume": ("Volym", "Volum", "Omsättning", "Antal", "Antal aktier"),
    },
    "Hungarian": {
        "date": ("Dátum", "Kereskedési nap", "Nap"),
        "close": ("Záró", "Záróár", "Záró ár", "Utolsó", "Ár", "Árfolyam"),
        "open": ("Nyitó", "Nyitóár", "Nyitó ár"),
        "high": ("Maximum", "Legmagasabb", "Napi max"),
        "low": ("Minimum", "Legalacsonyabb", "Napi min"),
        "volume": ("Forgalom", "Mennyiség", "Volumen"),
    },
    "Finnish": {
        "date": ("Päivämäärä", "Päivä", "Pvm"),
        "close": ("Päätöskurssi", "Päätös", "Viimeisin", "Kurssi", "Hinta"),
        "open": ("Avaus", "Avauskurssi"),
        "high": ("Ylin", "Korkein", "Ylin kurssi"),
        "low": ("Alin", "Matalin", "Alin kurssi"),
        "volume": ("Vaihto", "Volyymi", "Vaihto kpl", "Määrä"),
    },
    "Ukrainian": {
        "date": ("Дата", "Дата торгів", "День"),
        "close": ("Закриття", "Ціна закриття", "Остання", "Ціна", "Курс"),
        "open": ("Відкриття", "Ціна відкриття", "Відкр."),
        "high": ("Максимум", "Макс.", "Найвища"),
        "low": ("Мінімум", "Мін.", "Найнижча"),
        "volume": ("Обсяг", "Обсяг торгів", "Об'єм"),
    },
    "Greek": {
        "date": ("Ημερομηνία", "Ημ/νία"),
        "close": ("Κλείσιμο", "Τιμή κλεισίματος", "Τελευταία", "Τιμή"),
        "open": ("Άνοιγμα", "Τιμή ανοίγματος"),
        "high": ("Υψηλό", "Ανώτατη", "Μέγιστο"),
        "low": ("Χαμηλό", "Κατώτατη", "Ελάχιστο"),
        "volume": ("Όγκος", "Όγκος συναλλαγών"),
    },
    "Indonesian": {
        "date": ("Tanggal",),
        "close": ("Penutupan", "Terakhir", "Harga penutupan", "Harga"),
        "open": ("Pembukaan", "Harga pembukaan"),
        "high": ("Tertinggi",),
        "low": ("Terendah",),
        "volume": ("Volume perdagangan",),
    },
    "Vietnamese": {
        "date": ("Ngày",),
        "close": ("Đóng cửa", "Giá đóng cửa", "Lần cuối", "Giá"),
        "open": ("Mở cửa", "Giá mở cửa", "Mở"),
        "high": ("Cao", "Cao nhất", "Giá cao nhất"),
        "low": ("Thấp", "Thấp nhất", "Giá thấp nhất"),
        "volume": ("Khối lượng", "KL", "Khối lượng giao dịch"),
    },
    "any": {"high": ("max",), "low": ("min",)},
}  # fmt: skip
