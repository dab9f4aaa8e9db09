"""Bills of materials: CycloneDX bills of environments and models, written and verified."""
