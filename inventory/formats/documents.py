"""Documents for people: sheets, as Markdown and to print, and guides."""

from __future__ import annotations

from inventory.formats.guides import customer_guide, vendor_guide
from inventory.formats.prose import as_html, as_markdown
from inventory.formats.selection import Audience, Format
from inventory.formats.sheets import customer_sheet, vendor_sheet

VENDORS, CUSTOMERS = (Audience.VENDORS,), (Audience.CUSTOMERS,)
PRINT = "the same to print, or to save as PDF"
DOCUMENTS = (
    Format(
        "vendor-sheet",
        "vendor-sheet.md",
        "Markdown: what to whitelist",
        lambda s: as_markdown(vendor_sheet(s)),
        VENDORS,
    ),
    Format("vendor-sheet-html", "vendor-sheet.html", PRINT, lambda s: as_html(vendor_sheet(s)), VENDORS),
    Format(
        "customer-sheet",
        "customer-sheet.md",
        "Markdown: where to call, what to open",
        lambda s: as_markdown(customer_sheet(s)),
        CUSTOMERS,
    ),
    Format("customer-sheet-html", "customer-sheet.html", PRINT, lambda s: as_html(customer_sheet(s)), CUSTOMERS),
    Format(
        "vendor-guide",
        "vendor-guide.html",
        "integration, to print: what to whitelist, how changes are announced, worked lists",
        lambda s: as_html(vendor_guide(s)),
        VENDORS,
    ),
    Format(
        "customer-guide",
        "customer-guide.html",
        "onboarding, to print: firewall, worked set-ups, tests, what answers mean",
        lambda s: as_html(customer_guide(s)),
        CUSTOMERS,
    ),
)
