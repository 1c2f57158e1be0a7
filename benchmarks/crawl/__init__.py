"""CPU per archived page, against Scrapy with trafilatura that keeps nothing."""
