variable "name" {
  description = "The `name` of the instance whose log groups the key encrypts; the alias is `alias/<name>-revenium`."
  type        = string
  default     = "revenium"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$", var.name))
    error_message = "`name` must be 1 to 64 letters, digits and hyphens, with no hyphen at either end. Use the `name` of the instance that the key is for."
  }
}

variable "tags" {
  description = "Tags of the key, beside those of the provider."
  type        = map(string)
  default     = {}
  nullable    = false
}
