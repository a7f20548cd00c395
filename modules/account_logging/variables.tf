variable "name" {
  description = "Prefix of the role's name. Another name replaces the role; logs go on meanwhile."
  type        = string
  default     = "revenium"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$", var.name))
    error_message = "`name` must be letters, digits and hyphens, with no hyphen at either end. Replace other characters by hyphens."
  }

  validation {
    condition     = length(var.name) <= 64 - length("-api-gateway-logs-") - 15
    error_message = "`name` must have at most 31 characters, so that the role's name `<name>-api-gateway-logs-<region>` keeps to IAM's 64. Shorten it."
  }
}
