"""Documents for people: sheets, as Markdown, to print and as PDF, and guides."""

from __future__ import annotations

from collections.abc import Callable

from inventory.formats.guides import customer_guide, vendor_guide
from inventory.formats.prose import Document, as_html, as_markdown
from inventory.formats.selection import Audience, Format, Selection
from inventory.formats.sheets import customer_sheet, vendor_sheet


def _pdf(document: Callable[[Selection], Document]) -> Callable[[Selection], str]:
    def text(selection: Selection) -> str:
        from inventory.formats.pdf import as_pdf  # noqa: PLC0415 - its library takes long to import

        return as_pdf(document(selection), selection.site).decode("ascii")

    return text


VENDORS, CUSTOMERS = (Audience.VENDORS,), (Audience.CUSTOMERS,)
PRINT, SEND = "the same to print", "the same to send on (PDF)"
DOCUMENTS = (
    Format(
        "vendor-sheet",
        "vendor-sheet.md",
        "Markdown: what to whitelist",
        lambda s: as_markdown(vendor_sheet(s)),
        VENDORS,
    ),
    Format("vendor-sheet-html", "vendor-sheet.html", PRINT, lambda s: as_html(vendor_sheet(s)), VENDORS),
    Format("vendor-sheet-pdf", "vendor-sheet.pdf", SEND, _pdf(vendor_sheet), VENDORS),
    Format(
        "customer-sheet",
        "customer-sheet.md",
        "Markdown: where to call, what to open",
        lambda s: as_markdown(customer_sheet(s)),
        CUSTOMERS,
    ),
    Format("customer-sheet-html", "customer-sheet.html", PRINT, lambda s: as_html(customer_sheet(s)), CUSTOMERS),
    Format("customer-sheet-pdf", "customer-sheet.pdf", SEND, _pdf(customer_sheet), CUSTOMERS),
    Format(
        "vendor-guide",
        "vendor-guide.html",
        "integration, to print: what to whitelist, how changes are announced, worked lists",
        lambda s: as_html(vendor_guide(s)),
        VENDORS,
    ),
    Format("vendor-guide-pdf", "vendor-guide.pdf", SEND, _pdf(vendor_guide), VENDORS),
    Format(
        "customer-guide",
        "customer-guide.html",
        "onboarding, to print: firewall, worked set-ups, tests, what answers mean",
        lambda s: as_html(customer_guide(s)),
        CUSTOMERS,
    ),
    Format("customer-guide-pdf", "customer-guide.pdf", SEND, _pdf(customer_guide), CUSTOMERS),
)
